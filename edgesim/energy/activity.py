"""What the mean sentence does, so that other tables price it without another simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.costs import Account, account_of, action_cost
from edgesim.energy.ledger import UNPRICED_UNITS
from edgesim.energy.static import static_powers
from edgesim.energy.supply import keeps_supply, regulator_loss
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.latency import OperatingPoint
from edgesim.ir.run import SimulationRun
from edgesim.tech import Technology
from edgesim.units import TICKS_PER_S

J_PER_PJ = 1e-12
W_PER_MW = 1e-3


@dataclass(frozen=True)
class MeanAction:
    """One unit's one action: means per sentence."""

    unit: str
    action: str
    count: float
    bits: float
    cycles: float


@dataclass(frozen=True)
class ActivityPart:
    """What the mean sentence does at one operating point."""

    point: OperatingPoint | None
    """None is the chip's own clock and voltage."""
    actions: tuple[MeanAction, ...]
    duration_s: float


@dataclass(frozen=True)
class MeanActivity:
    """A run as the activity and the duration of its mean sentence."""

    parts: tuple[ActivityPart, ...]

    @classmethod
    def of(cls, run: SimulationRun, chip: AcceleratorSpec) -> MeanActivity:
        """The means over the sentences of a run, apart by operating point."""
        points = dict.fromkeys(segment.point for segment in run.segments)
        return cls(tuple(_part(run, chip, point) for point in points))

    @property
    def latency_s(self) -> float:
        """Mean latency."""
        return sum(part.duration_s for part in self.parts)

    def energy_j(self, chip: AcceleratorSpec, technology: Technology) -> dict[Account, float]:
        """Mean energy by account at the nominal values of the tables, as `price` gives it."""
        energy: dict[Account, float] = {"chip": 0.0, "offchip": 0.0, "host": 0.0}
        fixed = regulator_loss(chip, technology)[0].value
        for part in self.parts:
            at = chip if part.point is None else chip.at(
                part.point.frequency_hz, part.point.voltage_v
            )  # fmt: skip
            loss = regulator_loss(at, technology)[0].value
            for account, unit, joule in _spent(part, at, technology):
                behind = fixed if keeps_supply(unit) else loss
                energy[account] += joule * (1 + behind if account == "chip" else 1)
        return energy


def _spent(
    part: ActivityPart, at: AcceleratorSpec, technology: Technology
) -> Iterator[tuple[Account, str, float]]:
    """Account, unit and joules of every action and every static power of a part."""
    for done in part.actions:
        if done.unit in UNPRICED_UNITS:
            continue
        cost = action_cost(at, technology, done.unit, done.action)
        amount = {"count": done.count, "bits": done.bits, "cycles": done.cycles}[cost.measure]
        yield account_of(at, done.unit), done.unit, amount * cost.energy_pj.value * J_PER_PJ
    for power in static_powers(at, technology)[0]:
        yield power.account, power.unit, power.power_mw.value * W_PER_MW * part.duration_s


def _part(run: SimulationRun, chip: AcceleratorSpec, point: OperatingPoint | None) -> ActivityPart:
    """Sums over the segments of one point, weighted by how often the mean sentence runs them."""
    shares = run.segment_counts() / len(run.sentence_segments)
    mine = np.array([segment.point == point for segment in run.segments])
    durations = np.array([segment.log.duration_ticks for segment in run.segments])
    duration_s = float(np.dot(shares[mine], durations[mine])) / TICKS_PER_S
    frequency_hz = chip.clock.frequency_hz if point is None else point.frequency_hz
    actions = tuple(_actions(run, shares * mine, frequency_hz / TICKS_PER_S))
    return ActivityPart(point, actions, duration_s)


def _actions(
    run: SimulationRun, shares: NDArray[np.float64], cycles_per_tick: float
) -> Iterator[MeanAction]:
    log, owner = run.joined.log, run.joined.log_of_op
    sums = log.activity_sums()
    weights = shares[owner[sums.op]]
    key = sums.unit * len(log.action_names) + sums.action
    for code in np.unique(key[weights > 0]).tolist():
        mine = key == code
        unit, action = divmod(code, len(log.action_names))
        count, bits, ticks = (
            float(np.dot(weights[mine], column[mine]))
            for column in (sums.count, sums.bits, sums.busy_ticks)
        )
        names = (log.unit_names[unit], log.action_names[action])
        yield MeanAction(*names, count, bits, ticks * cycles_per_tick)
