"""Figures of many runs: what two points of a sweep share is computed once, and nothing changes.

Kept are plans (shared by chips that plan alike), event logs (shared by chips of equal timing) and
energies of segments (shared by runs of one chip). The figures are those of `simulate`, without the
breakdown, the bottlenecks and the rows per sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.area import AreaEstimate, estimate_area
from edgesim.energy.costs import Account
from edgesim.energy.ledger import ACCOUNTS, price_segments
from edgesim.energy.price import sentence_energies
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.interval import Interval
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.request import RunRequest
from edgesim.ir.run import Segment, SimulationRun
from edgesim.ir.workload import Workload
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper
from edgesim.mapping.shared_plans import SharedPlans
from edgesim.pipeline.answers import accuracy
from edgesim.pipeline.opening import Opened, open_run, play_on
from edgesim.pipeline.run_input import RunInput
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.statistics import nearest_rank
from edgesim.tech import Technology, load_technology
from edgesim.units import TICKS_PER_S

INTERVALS = (
    "latency_s", "energy_j", "chip_energy_j", "offchip_energy_j", "host_energy_j", "area_mm2",
)  # fmt: skip
PLAIN = (
    "num_sentences", "accuracy", "accuracy_low", "accuracy_high", "average_exit_layer",
    "ideal_latency_s", "latency_p50_s", "latency_p95_s", "energy_p50_j", "energy_p95_j",
    "energy_delay_js", "spilled_bytes", "traffic_over_compulsory", "missed_fraction",
)  # fmt: skip
FIGURES = (*INTERVALS, *PLAIN)
"""Names of the figures; each of INTERVALS also has `…_low` and `…_high`."""

Figures = dict[str, float | int | None]


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

    def figures(self, chip: Chip, request: RunRequest) -> Figures:
        """Means and percentiles of a run over the workload; raises what `simulate` raises."""
        request = request.with_workload(self.workload)
        run = open_run(request, self.trace, chip, self.technology, opened=self.opened)
        if not isinstance(chip, AcceleratorSpec) or chip.artifact is not None:
            return figures_of(run.result.to_json())  # no segments that chips share
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


def figures_of(record: Mapping[str, Any]) -> Figures:
    """The figures in the JSON of a SimResult."""
    figures: Figures = {name: record[name] for name in FIGURES}
    for name in INTERVALS:
        ends = record["intervals"].get(name) or {}
        figures[f"{name}_low"], figures[f"{name}_high"] = ends.get("low"), ends.get("high")
    return figures


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

    def figures(self, inputs: RunInput) -> Figures:
        """The figures of one run."""
        run, plans, known = self._run(inputs)
        right = accuracy(inputs)
        self._price_new(run, plans, known)
        counts = run.segment_counts()
        latency_s = run.latency_ticks() / TICKS_PER_S
        energies = sentence_energies(run, known.energy_pj)
        energy = {account: _mean(rows) for account, rows in energies.items()}
        chip_j, offchip_j, host_j = (energies[account] for account in ACCOUNTS)
        total_j = chip_j + offchip_j + host_j
        latency = Interval.exact(float(latency_s.mean()))
        intervals = {
            "latency_s": latency, "energy_j": _mean(total_j), "chip_energy_j": energy["chip"],
            "offchip_energy_j": energy["offchip"], "host_energy_j": energy["host"],
            "area_mm2": self.area.total_mm2,
        }  # fmt: skip
        figures: Figures = {
            "num_sentences": len(latency_s),
            "accuracy": right.value if right else None,
            "accuracy_low": right.low if right else None,
            "accuracy_high": right.high if right else None,
            "average_exit_layer": float(run.exit_layers.mean()) if self.trace.has_exits else None,
            "ideal_latency_s": _weighted(counts, known.bound_s) / len(latency_s),
            "latency_p50_s": nearest_rank(latency_s, 0.50),
            "latency_p95_s": nearest_rank(latency_s, 0.95),
            "energy_p50_j": nearest_rank(total_j[0], 0.50),
            "energy_p95_j": nearest_rank(total_j[0], 0.95),
            "energy_delay_js": intervals["energy_j"].times(latency).value,
            "spilled_bytes": self._spilled_bytes(counts, known),
            "missed_fraction": None if run.schedule is None else float(run.schedule.missed.mean()),
            "traffic_over_compulsory": _traffic_ratio(counts, known),
        }
        for name, interval in intervals.items():
            figures[name] = interval.value
            figures[f"{name}_low"], figures[f"{name}_high"] = interval.low, interval.high
        return figures

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

    def _spilled_bytes(self, counts: NDArray[np.int64], known: _Segments) -> float:
        """Weights behind their first medium, plus the largest activation spill of a segment."""
        at_rest = sum(self.mapper.placement.spilled_bits.values()) / 8
        used = (bits / 8 for bits, n in zip(known.moved_bits, counts, strict=True) if n)
        return at_rest + max(used, default=0.0)


def _traffic_ratio(counts: NDArray[np.int64], known: _Segments) -> float:
    moved = sum(int(n) * b for n, b in zip(counts, known.traffic_bits, strict=True))
    needed = sum(int(n) * b for n, b in zip(counts, known.compulsory_bits, strict=True))
    return moved / needed if needed else 1.0


def _weighted(counts: NDArray[np.int64], values: list[float]) -> float:
    """Sum of values, each as often as counted, exact whatever the order of segments."""
    pairs = zip(counts.tolist(), values, strict=True)
    return math.fsum(count * value for count, value in pairs if count)


def _mean(rows: NDArray[np.float64]) -> Interval:
    value, low, high = (float(mean) for mean in rows.mean(axis=1))
    return Interval(value, low, high)
