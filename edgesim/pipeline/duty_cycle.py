"""Sentences that arrive over time at one chip: a queue, sleep between them, energy per hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError, UnstableQueueError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.result import SentenceRow, SimResult
from edgesim.pipeline.standby import Standby
from edgesim.pipeline.tasks import Order, TaskSet, task_order
from edgesim.statistics import nearest_rank
from edgesim.tech import Technology, load_technology

Arrivals = Literal["fixed", "poisson"]
S_PER_HOUR = 3600.0


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
    """Answers later than their target after arrival; None without a target."""
    active_j_per_hour: float
    """Energy of the sentences."""
    sleep_j_per_hour: float
    """Retention of SRAM and logic at the lowest voltage, DRAM in self-refresh."""
    wake_j_per_hour: float
    """Waking up, and turning back to full speed where the next sentence waits already."""
    wakes_per_hour: float
    switch_j_per_hour: float = 0.0
    """Turning from task to task."""
    switches_per_hour: float = 0.0
    reloads_per_hour: float = 0.0
    """Switches that bring a task's weights anew."""
    notes: tuple[str, ...] = ()
    """What is not modelled."""

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
    empty; a sentence that waits starts once the chip is back at full speed. Poisson gaps come from
    `seed`. With `tasks` every burst of arrivals belongs to one of them, and `result` is that of the
    first. `target_s` replaces the targets that sentences were run with. Raises UnstableQueueError
    for an arrival rate at or above what the chip can serve: such a queue grows without end.
    """
    _check(rate_per_s, arrivals, num_sentences)
    tables = technology or load_technology()
    standby = Standby.of(chip, tables)
    demand = _demand(result, tasks, num_sentences, order, burst, seed, standby)
    length = demand.service_s + demand.switch_s
    capacity = 1 / float((length + demand.return_s).mean())
    if rate_per_s >= capacity:
        raise UnstableQueueError(
            f"{rate_per_s:g} sentences a second arrive and {result.chip} serves {capacity:.4g} at "
            "most: the queue grows without end; lower the rate or choose a faster chip",
            rate_per_s, capacity,
        )  # fmt: skip
    gaps = np.full(num_sentences, 1 / rate_per_s)
    if arrivals == "poisson":
        gaps = np.random.default_rng(seed).exponential(1 / rate_per_s, num_sentences)
    arrived = np.cumsum(gaps)
    starts, ends, woken = _served(arrived, length, demand.return_s, standby.wake_s)
    waited, span, wakes = ends - arrived, float(ends[-1]), int(woken.sum())
    hour = S_PER_HOUR / span
    turning_s = wakes * standby.wake_s + float(demand.return_s[:-1][~woken[1:]].sum())
    asleep_s = max(0.0, span - float(length.sum()) - turning_s)
    limits = demand.target_s if target_s is None else np.full(num_sentences, target_s)
    return DutyCycle(
        arrivals, rate_per_s, num_sentences, float(length.sum()) / span,
        nearest_rank(waited, 0.50), nearest_rank(waited, 0.99),
        _longest_queue(arrived, starts),
        None if limits is None else float((waited > limits).mean()),
        hour * float(demand.energy_j.sum()), hour * asleep_s * standby.asleep_w,
        hour * turning_s * standby.awake_w, hour * wakes, hour * float(demand.switch_j.sum()),
        hour * demand.switches, hour * demand.reloads, standby.notes,
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
    return_s: NDArray[np.float64]
    """Way back to full speed behind a sentence, where another waits."""
    target_s: NDArray[np.float64] | None
    """None where a sentence has no target."""
    switch_s: NDArray[np.float64]
    switch_j: NDArray[np.float64]
    switches: int = 0
    reloads: int = 0


def _demand(
    result: SimResult, tasks: TaskSet | None, num_sentences: int, order: Order, burst: int,
    seed: int, standby: Standby,
) -> _Demand:  # fmt: skip
    """Sentences of every task in turn, behind the switches between tasks."""
    results = [result] if tasks is None else [task.result for task in tasks.tasks]
    sequence = task_order(num_sentences, len(results), order, burst, seed)
    columns = np.empty((4, num_sentences))
    for number, found in enumerate(results):
        if any(row.energy_j is None for row in found.sentences):
            raise InputError(f"{found.chip}: no energy was measured, so an hour cannot be priced")
        rows = np.flatnonzero(sequence == number)
        asked = np.array([_asked(row, standby) for row in found.sentences], dtype=np.float64)
        columns[:, rows] = asked[np.arange(len(rows)) % len(asked)].T
    service, energy, back, target = columns
    limits = None if np.isnan(target).any() else target
    if tasks is None:
        return _Demand(
            service, energy, back, limits, np.zeros(num_sentences), np.zeros(num_sentences)
        )
    played = tasks.played(sequence)
    return _Demand(
        service, energy, back, limits, played.seconds, played.joules, played.count, played.reloads
    )


def _asked(row: SentenceRow, standby: Standby) -> tuple[float | None, ...]:
    """Service, energy, way back and target of a sentence."""
    back_s = standby.return_s.get(row.operating_point or "", 0.0)
    return row.latency_s, row.energy_j, back_s, row.latency_target_s


def _served(
    arrived: NDArray[np.float64], service: NDArray[np.float64], back: NDArray[np.float64],
    wake_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:  # fmt: skip
    """Start and end of every service, first come first served, and who woke the chip."""
    starts, ends = np.empty(len(arrived)), np.empty(len(arrived))
    woken = np.zeros(len(arrived), dtype=np.bool_)
    ended = free = -np.inf
    rows = zip(arrived.tolist(), service.tolist(), back.tolist(), strict=True)
    for row, (arrival, length, turning) in enumerate(rows):
        woken[row] = arrival >= ended
        starts[row] = arrival + wake_s if woken[row] else free
        ended = ends[row] = starts[row] + length
        free = ended + turning
    return starts, ends, woken


def _longest_queue(arrived: NDArray[np.float64], starts: NDArray[np.float64]) -> int:
    """Most sentences that had arrived and not started when another arrived."""
    begun = np.searchsorted(starts, arrived, side="right")
    return int((np.arange(1, len(arrived) + 1) - begun).max())


def duties(
    rates_per_s: Sequence[float], **settings: Any
) -> tuple[list[DutyCycle], list[UnstableQueueError]]:
    """Duty cycles at several rates, and the rates whose queue would grow without end.

    `settings` are those of `duty_cycle`. Raises UnstableQueueError where no rate can be served.
    """
    served: list[DutyCycle] = []
    unstable: list[UnstableQueueError] = []
    for rate_per_s in rates_per_s:
        try:
            served.append(duty_cycle(rate_per_s=rate_per_s, **settings))
        except UnstableQueueError as error:
            unstable.append(error)
    if unstable and not served:
        raise unstable[0]
    return served, unstable


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
    return [*lines, *dict.fromkeys(note for c in cycles for note in c.notes)]


def _switch_words(cycle: DutyCycle) -> str:
    from edgesim.ir.quantity import quantity_text

    if not cycle.switches_per_hour:
        return ""
    return (
        f", {quantity_text(cycle.switch_j_per_hour, 'J')} in {cycle.switches_per_hour:.0f} task "
        f"switches, {cycle.reloads_per_hour:.0f} with weights reloaded"
    )
