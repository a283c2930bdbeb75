"""Figures of many runs: what two points of a sweep share is computed once, and nothing changes.

Kept are plans (shared by chips that plan alike), event logs (shared by chips of equal timing) and
energies of segments (shared by runs of one chip). The figures are those of `simulate`, without the
breakdown, the bottlenecks and the rows per sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.area import AreaEstimate, estimate_area
from edgesim.energy.costs import Account
from edgesim.energy.ledger import ACCOUNTS, price_segments
from edgesim.energy.price import sentence_energies
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.figures import RunFigures, SegmentTotals
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.request import RunRequest
from edgesim.ir.run import Segment, SimulationRun
from edgesim.ir.workload import Workload
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper
from edgesim.mapping.shared_plans import SharedPlans
from edgesim.pipeline.figures import accelerator_figures
from edgesim.pipeline.opening import Opened, open_run, play_on
from edgesim.pipeline.run_input import RunInput
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import Technology, load_technology


@dataclass
class _Segments:
    """Columns over the segments of one chip that have been priced so far."""

    first: dict[object, int] = field(default_factory=dict)
    """Position of the first of segments that repeat each other."""
    bound_s: list[float] = field(default_factory=list)
    moved_bits: list[int] = field(default_factory=list)
    """Activations that the segment writes behind their first medium."""
    traffic_bits: list[int] = field(default_factory=list)
    compulsory_bits: list[int] = field(default_factory=list)
    energy_pj: dict[Account, NDArray[np.float64]] = field(
        default_factory=lambda: {account: np.zeros((0, 3)) for account in ACCOUNTS}
    )

    def twin(self, position: int, segment: Segment, plan: SegmentPlan) -> int:
        """The first segment that this one repeats under other names; itself if it is new."""
        shape = (plan.repeats or plan.label, plan.num_tokens)
        key = (*shape, id(segment.log.start_ticks), segment.point)
        return self.first.setdefault(key, position)


class Evaluator:
    """Evaluates points over one trace and workload; with `reuse` off nothing is shared."""

    def __init__(
        self, trace: OpTrace, workload: Workload | None, technology: Technology | None = None,
        reuse: bool = True,
    ) -> None:  # fmt: skip
        self.trace = trace
        self.workload = workload
        self.technology = technology or load_technology()
        self.reuse = reuse
        self.logs = SegmentLogs()
        self.opened = Opened(keep=reuse)
        self._plans: tuple[OpTrace, SharedPlans] | None = None
        self._bench: ChipBench | None = None

    def figures(self, chip: Chip, request: RunRequest) -> RunFigures:
        """Means and percentiles of a run over the workload; raises what `simulate` raises."""
        request = request.with_workload(self.workload)
        run = open_run(request, self.trace, chip, self.technology, opened=self.opened)
        if not isinstance(chip, AcceleratorSpec) or chip.artifact is not None:
            return run.result.figures  # no segments that chips share
        return self._bench_of(chip, run.inputs.trace).figures(run.inputs)

    def _bench_of(self, chip: AcceleratorSpec, trace: OpTrace) -> ChipBench:
        """The state of a chip; only the last one is kept, points come sorted by chip."""
        if not self.reuse:
            return ChipBench(trace, chip, self.technology, SegmentLogs(), None)
        bench = self._bench
        if bench is None or chip != bench.chip or trace is not bench.trace:
            plans = self._plans_of(trace)
            bench = self._bench = ChipBench(trace, chip, self.technology, self.logs, plans)
        return bench

    def _plans_of(self, trace: OpTrace) -> SharedPlans:
        """Plans of a trace as chips store it; only those of the last one are kept."""
        if self._plans is None or self._plans[0] is not trace:
            self._plans = trace, SharedPlans()
        return self._plans[1]


class ChipBench:
    """One trace on one chip: segments are mapped, played and priced when a run first needs them."""

    def __init__(
        self, trace: OpTrace, chip: AcceleratorSpec, technology: Technology, logs: SegmentLogs,
        plans: SharedPlans | None,
    ) -> None:  # fmt: skip
        self.trace, self.chip, self.technology = trace, chip, technology
        self.mapper = Mapper(trace, chip, plans)
        self.simulator = WorkloadSimulator(self.mapper, chip, technology, logs)
        self.area: AreaEstimate = estimate_area(chip, technology)
        self.logs = logs
        self.known = _Segments()
        self.scheduled: ScheduledSimulator | None = None
        """Follows latency targets; made when the first one comes."""
        self.scheduled_known = _Segments()

    def figures(self, inputs: RunInput) -> RunFigures:
        """The figures of one run."""
        run, plans, known = self._run(inputs)
        self._price_new(run, plans, known)
        totals = SegmentTotals(
            run.segment_counts().tolist(), known.bound_s, known.moved_bits, known.traffic_bits,
            known.compulsory_bits,
        )  # fmt: skip
        return accelerator_figures(
            inputs, run, sentence_energies(run, known.energy_pj), self.area.total_mm2, totals,
            sum(self.mapper.placement.spilled_bits.values()),
        )  # fmt: skip

    def _run(self, inputs: RunInput) -> tuple[SimulationRun, Sequence[SegmentPlan], _Segments]:
        """The run, the plan of each of its segments, and what is known of them."""
        if inputs.target is None:
            return play_on(self.simulator, inputs), self.simulator.plans, self.known
        if self.scheduled is None:
            self.scheduled = ScheduledSimulator(self.mapper, self.chip, self.technology, self.logs)
        run = play_on(self.scheduled, inputs)
        return run, self.scheduled.plans, self.scheduled_known

    def _price_new(
        self, run: SimulationRun, plans: Sequence[SegmentPlan], known: _Segments
    ) -> None:
        """Price the segments that no earlier run has played."""
        begin = len(known.bound_s)
        fresh = run.segments[begin:]
        if not fresh:
            return
        twins = [
            known.twin(position, segment, plans[position])
            for position, segment in enumerate(fresh, start=begin)
        ]
        new = sorted({twin for twin in twins if twin >= begin})
        nothing = np.zeros(0, dtype=np.int64)
        part = SimulationRun(
            tuple(run.segments[i] for i in new), (), nothing, nothing, nothing
        )  # fmt: skip
        priced, _ = price_segments(part, self.trace, self.chip, self.technology, by_kind=False)
        places = [twin if twin < begin else begin + new.index(twin) for twin in twins]
        for account, cells in priced.accounts().items():
            old = known.energy_pj[account]
            known.energy_pj[account] = np.concatenate((old, np.concatenate((old, cells))[places]))
        for position, twin in enumerate(twins, start=begin):
            self._note_plan(position, twin, plans[position], known)

    def _note_plan(self, position: int, twin: int, plan: SegmentPlan, known: _Segments) -> None:
        """What a segment's plan moves, and its bound; those of its twin where there is one."""
        if twin < position:
            for column in (known.bound_s, known.moved_bits, known.traffic_bits,
                           known.compulsory_bits):  # fmt: skip
                column.append(column[twin])  # type: ignore[arg-type]
            return
        known.bound_s.append(segment_bound(plan, self.trace, self.chip).seconds)
        known.moved_bits.append(plan.spilled_bits)
        known.traffic_bits.append(plan.traffic_bits)
        known.compulsory_bits.append(plan.compulsory_bits)
