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
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.exits import EntropyExit, ExitPolicy, FixedExit
from edgesim.ir.interval import Interval
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.run import Segment, SimulationRun
from edgesim.ir.workload import Workload
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper
from edgesim.mapping.shared_plans import SharedPlans
from edgesim.pipeline.answers import accuracy
from edgesim.pipeline.run_input import RunInput, prepare
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.statistics import Proportion, nearest_rank
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
MOST_ASKED = 64
"""Run options of which lengths and exits are kept."""


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked for besides trace, chip and workload."""

    exit_threshold: float | None = None
    """Nats; None runs at full depth."""
    pad_to: int | None = None
    precision: str | None = None
    """Of a GPU."""
    exit_layer: int | None = None
    """Leave after this layer always; excludes a threshold."""
    latency_target_s: float | None = None
    latency_target_fraction: float | None = None
    """Of the full-depth, full-speed time of each sentence; excludes a target in seconds."""
    strategy: str | None = None
    """One of `edgesim.ir.exits.STRATEGIES`; None follows from the rest."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; an infinite threshold in words."""
        threshold = self.exit_threshold
        infinite = threshold is not None and math.isinf(threshold)
        return {**vars(self), "exit_threshold": "inf" if infinite else threshold}

    def policy(self) -> ExitPolicy | None:
        """The exit policy; InputError for a threshold beside an exit layer."""
        if self.exit_threshold is not None and self.exit_layer is not None:
            raise InputError("an exit threshold and an exit layer exclude each other")
        if self.exit_layer is not None:
            return FixedExit(self.exit_layer)
        return None if self.exit_threshold is None else EntropyExit(self.exit_threshold)


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
    """Evaluates points over one trace and workload; with `reuse` off every point starts anew."""

    def __init__(
        self, trace: OpTrace, workload: Workload | None, technology: Technology | None = None,
        reuse: bool = True,
    ) -> None:  # fmt: skip
        self.trace = trace
        self.workload = workload
        self.technology = technology or load_technology()
        self.reuse = reuse
        self.logs = SegmentLogs()
        self.plans = SharedPlans()
        self._bench: ChipBench | None = None
        self._asked: dict[RunOptions, tuple[RunInput, Proportion | None]] = {}

    def figures(self, chip: Chip, options: RunOptions) -> Figures:
        """Means and percentiles of a run; raises what `simulate` raises."""
        if not isinstance(chip, AcceleratorSpec) or chip.artifact is not None:
            return self._simulated(chip, options)
        return self._bench_of(chip).figures(*self._asked_of(options))

    def _asked_of(self, options: RunOptions) -> tuple[RunInput, Proportion | None]:
        """What a run is asked for, and its accuracy, which no chip changes."""
        found = self._asked.get(options)
        if found is None:
            target = LatencyTarget.of(options.latency_target_s, options.latency_target_fraction)
            asked = prepare(
                self.trace, self.workload, options.policy(), options.pad_to, "float32",
                target=target, strategy=options.strategy,
            )  # fmt: skip
            if len(self._asked) >= MOST_ASKED:
                self._asked.clear()
            found = self._asked[options] = asked, accuracy(asked)
        return found

    def _bench_of(self, chip: AcceleratorSpec) -> ChipBench:
        """The state of a chip; only the last one is kept, points come sorted by chip."""
        if not self.reuse:
            return ChipBench(self.trace, chip, self.technology, SegmentLogs(), None)
        if self._bench is None or chip != self._bench.chip:
            self._bench = ChipBench(self.trace, chip, self.technology, self.logs, self.plans)
        return self._bench

    def _simulated(self, chip: Chip, options: RunOptions) -> Figures:
        """Through `simulate`, for chips that have no segments to share."""
        from edgesim.pipeline.simulate import simulate  # 0.1 s that few workers need

        result = simulate(
            self.trace, chip, workload=self.workload, exit_policy=options.policy(),
            pad_to=options.pad_to, precision=options.precision, technology=self.technology,
            latency_target_s=options.latency_target_s, strategy=options.strategy,
            latency_target_fraction=options.latency_target_fraction,
        )  # fmt: skip
        return figures_of(result.to_json())


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

    def figures(self, asked: RunInput, right: Proportion | None) -> Figures:
        """The figures of one run, with its accuracy."""
        run, plans, known = self._run(asked)
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

    def _run(self, asked: RunInput) -> tuple[SimulationRun, Sequence[SegmentPlan], _Segments]:
        """The run, the plan of each of its segments, and what is known of them."""
        ids = None if asked.workload is None else asked.workload.token_ids
        if asked.target is None:
            run = self.simulator.run(asked.num_tokens, asked.exit_layers, asked.decision.ramps, ids)
            return run, self.simulator.plans, self.known
        if self.scheduled is None:
            self.scheduled = ScheduledSimulator(self.mapper, self.chip, self.technology, self.logs)
        run = self.scheduled.run(asked.num_tokens, asked.decision, asked.target, ids)
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
