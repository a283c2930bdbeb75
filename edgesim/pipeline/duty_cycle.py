"""Sentences that arrive over time at one chip: a queue, sleep between them, energy per hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.static import static_powers
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.result import SimResult
from edgesim.pipeline.tasks import Order, TaskSet, task_order
from edgesim.sim.operating_points import change_ticks, operating_points
from edgesim.tech import Technology, load_technology
from edgesim.units import TICKS_PER_S

Arrivals = Literal["fixed", "poisson"]
S_PER_HOUR, W_PER_MW, S_PER_NS = 3600.0, 1e-3, 1e-9


@dataclass(frozen=True)
class DutyCycle:
    """What an hour of arrivals costs; times from arrival to answer."""

    arrivals: Arrivals
    rate_per_s: float
    num_sentences: int
    utilisation: float
    """Share of the time in which a sentence or a task switch is under way."""
    latency_p50_s: float
    latency_p99_s: float
    longest_queue: int
    """Most sentences that waited at once."""
    missed_fraction: float | None
    """Answers later than the target after arrival; None without a target."""
    active_j_per_hour: float
    """Energy of the sentences."""
    sleep_j_per_hour: float
    """Retention of SRAM and logic at the lowest voltage, DRAM in self-refresh."""
    wake_j_per_hour: float
    wakes_per_hour: float
    switch_j_per_hour: float = 0.0
    """Turning from task to task."""
    switches_per_hour: float = 0.0
    reloads_per_hour: float = 0.0
    """Switches that bring a task's weights anew."""

    @property
    def energy_j_per_hour(self) -> float:
        """Active, asleep, waking up and switching."""
        idle = self.sleep_j_per_hour + self.wake_j_per_hour
        return self.active_j_per_hour + idle + self.switch_j_per_hour

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "energy_j_per_hour": self.energy_j_per_hour}


def duty_cycle(
    result: SimResult, chip: AcceleratorSpec, rate_per_s: float, *,
    arrivals: Arrivals = "poisson", num_sentences: int = 10_000, seed: int = 0,
    target_s: float | None = None, technology: Technology | None = None,
    tasks: TaskSet | None = None, order: Order = "random", burst: int = 1,
) -> DutyCycle:  # fmt: skip
    """Arrivals at a rate, served one by one in order, by the sentences of a result in turn.

    The chip wakes when it is idle and a sentence arrives, and sleeps as soon as its queue is
    empty. Poisson gaps come from `seed`. With `tasks` every burst of arrivals belongs to one of
    them, and `result` is that of the first. Raises InputError for an arrival rate at or above what
    the chip can serve: such a queue grows without end.
    """
    _check(rate_per_s, arrivals, num_sentences)
    tables = technology or load_technology()
    demand = _demand(result, tasks, num_sentences, order, burst, seed)
    wake_s, sleep_w, wake_w = _standby(chip, tables)
    length = demand.service_s + demand.switch_s
    capacity = 1 / float(length.mean())
    if rate_per_s >= capacity:
        raise InputError(
            f"{rate_per_s:g} sentences a second arrive and {result.chip} serves {capacity:.4g} at "
            "most: the queue grows without end; lower the rate or choose a faster chip"
        )
    gaps = np.full(num_sentences, 1 / rate_per_s)
    if arrivals == "poisson":
        gaps = np.random.default_rng(seed).exponential(1 / rate_per_s, num_sentences)
    arrived = np.cumsum(gaps)
    starts, ends, woken = _served(arrived, length, wake_s)
    waited, span, wakes = ends - arrived, float(ends[-1]), int(woken.sum())
    hour = S_PER_HOUR / span
    asleep = max(0.0, span - float(length.sum()) - wakes * wake_s)
    return DutyCycle(
        arrivals, rate_per_s, num_sentences, float(length.sum()) / span,
        float(np.quantile(waited, 0.5, method="inverted_cdf")),
        float(np.quantile(waited, 0.99, method="inverted_cdf")),
        _longest_queue(arrived, starts),
        None if target_s is None else float((waited > target_s).mean()),
        hour * float(demand.energy_j.sum()), hour * asleep * sleep_w,
        hour * wakes * wake_s * wake_w, hour * wakes, hour * float(demand.switch_j.sum()),
        hour * demand.switches, hour * demand.reloads,
    )  # fmt: skip


def _check(rate_per_s: float, arrivals: str, num_sentences: int) -> None:
    if not np.isfinite(rate_per_s) or rate_per_s <= 0:
        raise InputError(f"arrival rate {rate_per_s}: a finite number above 0 a second is wanted")
    if arrivals not in ("fixed", "poisson"):
        raise InputError(f"arrivals {arrivals!r}; allowed: fixed, poisson")
    if num_sentences < 1:
        raise InputError(f"{num_sentences} sentences: at least 1 is wanted")


@dataclass(frozen=True, eq=False)
class _Demand:
    """What every arrival asks of the chip, in order of arrival."""

    service_s: NDArray[np.float64]
    energy_j: NDArray[np.float64]
    switch_s: NDArray[np.float64]
    switch_j: NDArray[np.float64]
    switches: int = 0
    reloads: int = 0


def _demand(
    result: SimResult, tasks: TaskSet | None, num_sentences: int, order: Order, burst: int,
    seed: int,
) -> _Demand:  # fmt: skip
    """Sentences of every task in turn, behind the switches between tasks."""
    results = [result] if tasks is None else [task.result for task in tasks.tasks]
    sequence = task_order(num_sentences, len(results), order, burst, seed)
    service, energy = np.empty(num_sentences), np.empty(num_sentences)
    for number, found in enumerate(results):
        energies = [row.energy_j for row in found.sentences]
        if any(value is None for value in energies):
            raise InputError(f"{found.chip}: no energy was measured, so an hour cannot be priced")
        rows = np.flatnonzero(sequence == number)
        turn = np.arange(len(rows)) % len(energies)
        service[rows] = np.array([row.latency_s for row in found.sentences])[turn]
        energy[rows] = np.array(energies, dtype=np.float64)[turn]
    if tasks is None:
        return _Demand(service, energy, np.zeros(num_sentences), np.zeros(num_sentences))
    played = tasks.played(sequence)
    return _Demand(service, energy, played.seconds, played.joules, played.count, played.reloads)


def _served(
    arrived: NDArray[np.float64], service: NDArray[np.float64], wake_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Start and end of every service, first come first served, and who woke the chip."""
    starts, ends = np.empty(len(arrived)), np.empty(len(arrived))
    woken = np.zeros(len(arrived), dtype=np.bool_)
    free = -np.inf
    for row, (arrival, length) in enumerate(zip(arrived.tolist(), service.tolist(), strict=True)):
        woken[row] = arrival >= free
        starts[row] = arrival + wake_s if woken[row] else free
        free = ends[row] = starts[row] + length
    return starts, ends, woken


def _longest_queue(arrived: NDArray[np.float64], starts: NDArray[np.float64]) -> int:
    """Most sentences that had arrived and not started when another arrived."""
    begun = np.searchsorted(starts, arrived, side="right")
    return int((np.arange(1, len(arrived) + 1) - begun).max())


def _standby(chip: AcceleratorSpec, technology: Technology) -> tuple[float, float, float]:
    """Seconds to wake up, watts asleep, watts while waking up.

    Asleep: leakage of logic and SRAM at the lowest voltage, clock generator off, non-volatile
    memory off, DRAM in self-refresh. A chip without voltage pairs keeps its own voltage.
    """
    low, wake_s = chip, 0.0
    if chip.voltage_scaling is not None:
        points, _ = operating_points(chip, technology)
        low = chip.at(points[0].frequency_hz, points[0].voltage_v)
        wake_s = change_ticks(points[0], points[-1], technology) / TICKS_PER_S
    drams = [name for name in chip.storage if name.startswith("lpddr")]
    exits = [technology.value(f"{name}.self_refresh_exit_ns") * S_PER_NS for name in drams]
    refresh = sum(technology.value(f"{name}.self_refresh_power_mw") for name in drams)
    on_chip = sum(p.power_mw.value for p in static_powers(low, technology)[0] if _retained(p.unit))
    awake = sum(p.power_mw.value for p in static_powers(chip, technology)[0])
    return max([wake_s, *exits]), (on_chip + refresh) * W_PER_MW, awake * W_PER_MW


def _retained(unit: str) -> bool:
    return unit in ("operand0", "operand1", "auxiliary", "logic leakage", "sram")


def duty_lines(cycles: Sequence[DutyCycle]) -> list[str]:
    """A line per rate."""
    from edgesim.ir.quantity import percent_text, quantity_text

    lines = []
    for c in cycles:
        missed = "" if c.missed_fraction is None else f", missed {percent_text(c.missed_fraction)}"
        lines.append(
            f"{c.rate_per_s:g} a second ({c.arrivals}): busy {percent_text(c.utilisation)}, "
            f"p50 {quantity_text(c.latency_p50_s, 's')}, p99 {quantity_text(c.latency_p99_s, 's')}"
            f"{missed}, longest queue {c.longest_queue}; an hour takes "
            f"{quantity_text(c.energy_j_per_hour, 'J')} ({quantity_text(c.active_j_per_hour, 'J')} "
            f"active, {quantity_text(c.sleep_j_per_hour, 'J')} asleep, "
            f"{quantity_text(c.wake_j_per_hour, 'J')} in {c.wakes_per_hour:.0f} wake-ups"
            f"{_switch_words(c)})"
        )
    return lines


def _switch_words(cycle: DutyCycle) -> str:
    from edgesim.ir.quantity import quantity_text

    if not cycle.switches_per_hour:
        return ""
    return (
        f", {quantity_text(cycle.switch_j_per_hour, 'J')} in {cycle.switches_per_hour:.0f} task "
        f"switches, {cycle.reloads_per_hour:.0f} with weights reloaded"
    )
