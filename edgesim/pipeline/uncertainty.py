"""Samples of the technology entries behind a run: intervals, what matters, what changes sign.

Entries that only price are sampled without another simulation: the activity of the mean sentence
is priced anew. Entries that change the time are sampled a few times, each with a simulation. Both
sides of a comparison get the same samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from tqdm import tqdm

from edgesim.energy.activity import MeanActivity
from edgesim.energy.area import estimate_area
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec, Chip, GpuSpec
from edgesim.ir.interval import Interval
from edgesim.ir.result import SimResult
from edgesim.ir.run import SimulationRun
from edgesim.ir.uncertainty import Conclusion, FamilySwing, FigureRange, Uncertainty
from edgesim.pipeline.gpu import gpu_precision
from edgesim.pipeline.opening import OpenRun, PlayedRun, play_on, simulator_of
from edgesim.pipeline.resampling import ACCURACY, over_sentences, spread
from edgesim.pipeline.summary import schedule_entries
from edgesim.sim.gpu import GpuParameters
from edgesim.sim.gpu_work import MeanKernels
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.tech import Technology
from edgesim.tech.sampling import EntrySampler

SAMPLES = 1000
SIMULATIONS = 4
TIMED = (
    "access_latency_ns", "read_latency_ns", "write_latency_ns", "peak_bandwidth_gb_per_s",
)  # fmt: skip
"""Entries of a medium that the time of an accelerator depends on; with a latency target those of
the operating points and of the change between them do too, on a test chip its copies."""
FIGURES = (
    ("latency", "s"), ("energy", "J"), ("chip energy", "J"), ("off-chip memory energy", "J"),
    ("area", "mm²"),
)  # fmt: skip

Figures = dict[str, float | None]


class Side(Protocol):
    """A chip under samples."""

    @property
    def entries(self) -> tuple[str, ...]:
        """Technology entries that its figures rest on."""

    @property
    def timed(self) -> tuple[str, ...]:
        """Those among them that take a simulation."""

    def figures(self, technology: Technology, timing: Technology) -> Figures:
        """Means per sentence at the nominal values of the tables; `timing` decides the time."""


@dataclass(frozen=True)
class AcceleratorSide:
    """An accelerator: simulated once per timing, priced once per sample."""

    nominal: PlayedRun
    result: SimResult
    timed: tuple[str, ...]
    _played: dict[tuple[float, ...], MeanActivity] = field(default_factory=dict)
    _logs: SegmentLogs = field(default_factory=SegmentLogs)

    @property
    def entries(self) -> tuple[str, ...]:
        """Entries of the priced result, and those of the timing."""
        return (*(use.entry for use in self.result.sources), *self.timed)

    def figures(self, technology: Technology, timing: Technology) -> Figures:
        """Mean figures of a sample."""
        activity = self._activity(timing)
        chip = self.nominal.chip
        energy = activity.energy_j(chip, technology)
        return {
            "latency": activity.latency_s, "energy": sum(energy.values()),
            "chip energy": energy["chip"], "off-chip memory energy": energy["offchip"],
            "area": estimate_area(chip, technology).total_mm2.value,
        }  # fmt: skip

    def _activity(self, timing: Technology) -> MeanActivity:
        key = tuple(timing.value(name) for name in self.timed)
        if key not in self._played:
            self._played[key] = MeanActivity.of(self._run(timing), self.nominal.chip)
        return self._played[key]

    def _run(self, timing: Technology) -> SimulationRun:
        """The run under another timing, with the plans of the first one."""
        played = self.nominal
        if all(timing.value(name) == played.technology.value(name) for name in self.timed):
            return played.run
        return play_on(
            simulator_of(played.inputs, played.mapper, played.chip, timing, self._logs),
            played.inputs,
        )


def _timed_entries(played: PlayedRun) -> tuple[str, ...]:
    """Entries with a range that decide the time of a run."""
    media = {medium for plan in played.simulator.plans for medium in plan.media}
    names = [f"{medium}.{name}" for medium in sorted(media) for name in TIMED]
    names += schedule_entries(played.simulator)
    if played.chip.silicon is not None:
        names.append(played.chip.silicon.copy_cycles_entry)
    known = [played.technology.entry(name) for name in names if name in played.technology]
    return tuple(e.id for e in known if e.interval is not None and e.low != e.high)


@dataclass(frozen=True)
class GpuSide:
    """A GPU: its kernels are timed by every sample."""

    chip: GpuSpec
    precision: str
    kernels: MeanKernels
    entries: tuple[str, ...]
    timed: tuple[str, ...] = ()

    def figures(self, technology: Technology, timing: Technology) -> Figures:
        """Mean figures of a sample."""
        parameters = GpuParameters.of(self.chip.device, self.precision, technology)
        latency_s = self.kernels.latency_s(parameters)
        chip_j = latency_s * (parameters.gpu_power_w.value + parameters.soc_power_w.value)
        memory_j = latency_s * parameters.ddr_power_w.value
        return {
            "latency": latency_s, "energy": chip_j + memory_j, "chip energy": chip_j,
            "off-chip memory energy": memory_j, "area": None,
        }  # fmt: skip


def assess_uncertainty(
    run: OpenRun, against: OpenRun | None = None, *, samples: int = SAMPLES,
    simulations: int = SIMULATIONS, seed: int = 0,
) -> Uncertainty:  # fmt: skip
    """5 to 95 % of the figures of a run over the ranges of its entries, seeded.

    `against` is a run on another chip, on the same samples, for conclusions that compare. Raises
    InputError for a chip whose figures are measured, and for less than 20 samples or one
    simulation.
    """
    if samples < 20 or simulations < 1:
        raise InputError(
            f"{samples} samples, {simulations} simulations; at least 20 and 1 are wanted"
        )
    tables, chip = run.technology, run.chip
    other_chip = None if against is None else against.chip
    side = _side(run)
    sides = [side] if against is None else [side, _side(against)]
    rows = _draw(sides, tables, samples, simulations, np.random.default_rng(seed))
    names = {entry for one in sides for entry in one.entries}
    sampler = EntrySampler.of(tables, names)
    nominal = [one.figures(tables, tables) for one in sides]
    return Uncertainty(
        chip.name, "" if other_chip is None else other_chip.name, samples, simulations, seed,
        len(sampler.families), sum(len(ids) for ids in sampler.families.values()),
        _ranges(nominal[0], rows[0], run.result, seed),
        _swings(side, tables),
        _conclusions(chip, other_chip, nominal, rows), _ratios(nominal, rows),
    )  # fmt: skip


def _side(run: OpenRun) -> Side:
    if isinstance(run.chip, AcceleratorSpec):
        return AcceleratorSide(run.played, run.result, _timed_entries(run.played))
    if not isinstance(run.chip, GpuSpec):
        raise InputError(f"{run.chip.name}: its figures are measured, they rest on no entries")
    inputs = run.inputs
    precision = gpu_precision(inputs, run.chip)
    exits = inputs.exit_layers if inputs.early_exit else None
    kernels = MeanKernels.of(inputs.trace, precision, inputs.num_tokens, exits)
    return GpuSide(run.chip, precision, kernels, tuple(u.entry for u in run.result.sources))


def _draw(
    sides: list[Side], tables: Technology, samples: int, simulations: int,
    generator: np.random.Generator,
) -> list[list[Figures]]:  # fmt: skip
    """Figures per side and sample; both sides get the same samples, timings repeat over them."""
    timed = {entry for side in sides for entry in side.timed}
    priced = {entry for side in sides for entry in side.entries} - timed
    slow, quick = EntrySampler.of(tables, timed), EntrySampler.of(tables, priced)
    times, prices = slow.draw(generator, simulations), quick.draw(generator, samples)
    timings = [
        slow.technology_at({name: float(column[i]) for name, column in times.items()})
        for i in range(simulations if timed else 1)
    ]
    rows: list[list[Figures]] = [[] for _ in sides]
    for i in tqdm(range(samples), desc="samples", leave=False, disable=None):
        table = quick.technology_at({name: float(column[i]) for name, column in prices.items()})
        for side, found in zip(sides, rows, strict=True):
            found.append(side.figures(table, timings[i % len(timings)]))
    return rows


def _ranges(
    nominal: Figures, rows: list[Figures], result: SimResult, seed: int
) -> tuple[FigureRange, ...]:
    found = []
    for name, unit in FIGURES:
        value = nominal[name]
        sampled = None if value is None else spread(value, [row[name] for row in rows])
        found.append(FigureRange(name, unit, sampled, over_sentences(name, result, seed)))
    if result.accuracy is not None:
        exact = Interval.exact(100 * result.accuracy)
        found.append(FigureRange(ACCURACY, "%", exact, over_sentences(ACCURACY, result, seed)))
    return tuple(found)


def _ratios(nominal: list[Figures], rows: list[list[Figures]]) -> tuple[FigureRange, ...]:
    """The first side over the second, both on the same samples; none without a second side."""
    found = []
    for name in ("latency", "energy", "chip energy") if len(nominal) > 1 else ():
        samples = [_over(mine, other, name) for mine, other in zip(*rows, strict=True)]
        value = _over(nominal[0], nominal[1], name)
        if value is not None and None not in samples:
            found.append(FigureRange(name, "", spread(value, samples), None))
    return tuple(found)


def _over(mine: Figures, other: Figures, name: str) -> float | None:
    above, below = mine[name], other[name]
    return None if above is None or not below else above / below


def _swings(side: Side, tables: Technology) -> tuple[FamilySwing, ...]:
    """Energy with one family at either end, all others at their values."""
    nominal = side.figures(tables, tables)["energy"] or 0.0
    sampler = EntrySampler.of(tables, side.entries)
    timed = EntrySampler.of(tables, side.timed).families
    swings = []
    for family in sampler.families:
        ends = []
        for quantile in (0.0, 1.0):
            changed = sampler.technology_at({family: quantile})
            moved = side.figures(changed, changed if family in timed else tables)
            ends.append(moved["energy"] or 0.0)
        swings.append(FamilySwing(family, Interval(nominal, min(ends), max(ends))))
    return tuple(sorted(swings, key=lambda swing: (-swing.width_j, swing.family)))


def _conclusions(
    chip: Chip, against: Chip | None, nominal: list[Figures], rows: list[list[Figures]]
) -> tuple[Conclusion, ...]:
    statements: list[tuple[str, Callable[[list[Figures]], bool]]] = [
        (
            f"off-chip memory takes more energy than {chip.name} itself",
            lambda f: _less(f[0], "chip energy", f[0], "off-chip memory energy"),
        )
    ]
    if against is not None:
        words = {
            "latency": "is faster than", "energy": "takes less energy than",
            "chip energy": "takes less energy, without DRAM, than",
        }  # fmt: skip
        for name, text in words.items():
            statements.append((f"{chip.name} {text} {against.name}", _comparison(name)))
        statements.append(
            (f"{chip.name} has a lower energy-delay product than {against.name}", _lower_product)
        )
    found = []
    for text, holds in statements:
        first = holds(nominal)
        samples = list(zip(*rows, strict=True))
        changed = sum(holds(list(sample)) != first for sample in samples) / len(samples)
        found.append(Conclusion(text, first, changed))
    return tuple(found)


def _comparison(name: str) -> Callable[[list[Figures]], bool]:
    return lambda figures: _less(figures[0], name, figures[1], name)


def _less(left: Figures, left_name: str, right: Figures, right_name: str) -> bool:
    return (left[left_name] or 0.0) < (right[right_name] or 0.0)


def _lower_product(figures: list[Figures]) -> bool:
    mine, theirs = ((f["energy"] or 0.0) * (f["latency"] or 0.0) for f in figures)
    return mine < theirs
