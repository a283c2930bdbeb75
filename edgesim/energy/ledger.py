"""Energy of every segment by account, unit and op kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.costs import Account, ActionCost, account_of, action_cost
from edgesim.energy.static import StaticPower
from edgesim.energy.timeshare import op_ticks
from edgesim.errors import InputError, TechnologyError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import ActivityRow, EventLog
from edgesim.ir.interval import Interval
from edgesim.ir.optrace import OpTrace
from edgesim.ir.run import SimulationRun
from edgesim.tech import Technology
from edgesim.units import TICKS_PER_S

BARRIER = "barrier"
WAITING = "waiting"
"""Kind of the ticks in which no event runs."""
REGULATOR = "ldo"
ACCOUNTS: tuple[Account, ...] = ("chip", "offchip", "host")
PJ_PER_MW_TICK = 1e-3
"""1 mW for 1 ps is 1e-15 J."""

Cells = NDArray[np.float64]
Key = tuple[Account, str]


class Ledger:
    """Costs of actions, looked up once each, and the entries that were used."""

    def __init__(self, chip: AcceleratorSpec, technology: Technology) -> None:
        self.chip = chip
        self.technology = technology
        self.entries: set[str] = set()
        self._costs: dict[tuple[str, str], tuple[Account, ActionCost, Cells]] = {}

    def energy_pj(self, row: ActivityRow) -> tuple[Account, Cells]:
        """Account and energy (value, low, high) of an activity; nothing done costs nothing."""
        found = self._costs.get((row.unit, row.action))
        if found is None:
            cost = action_cost(self.chip, self.technology, row.unit, row.action)
            self.entries.update(cost.entries)
            found = (account_of(self.chip, row.unit), cost, as_array(cost.energy_pj))
            self._costs[row.unit, row.action] = found
        account, cost, energy = found
        return account, energy * self._amount(row, cost)

    def _amount(self, row: ActivityRow, cost: ActionCost) -> float:
        if cost.measure == "count":
            return row.count
        if cost.measure == "bits":
            if row.count and not row.bits:
                raise TechnologyError(
                    f"unit {row.unit!r}, action {row.action!r}, op {row.op!r}: {row.count} events "
                    "without bits, but the action is priced by the bit; record its bits"
                )
            return row.bits
        return row.busy_ticks * self.chip.clock.frequency_hz / TICKS_PER_S


@dataclass(frozen=True, eq=False)
class PricedSegments:
    """Energy in pJ per segment, arrays (segments, 3) of value, low and high; time in ticks."""

    units: Mapping[Key, Cells]
    """By account and unit; `ldo` holds the regulator's loss."""
    kinds: Mapping[Key, Cells]
    """By account and op kind."""
    kind_ticks: Mapping[str, NDArray[np.int64]]
    """Ticks by op kind, (segments,); sum to the durations."""
    num_segments: int = field(default=0)

    def accounts(self) -> dict[Account, Cells]:
        """Energy by account."""
        totals = {account: np.zeros((self.num_segments, 3)) for account in ACCOUNTS}
        for (account, _), cells in self.units.items():
            totals[account] += cells
        return totals

    def with_loss(self, loss: Interval) -> PricedSegments:
        """With the regulator's loss as a unit of its own, and inside every op kind's chip share."""
        share = as_array(loss)
        units = dict(self.units)
        units["chip", REGULATOR] = self.accounts()["chip"] * share
        kinds = {
            key: cells * (1 + share) if key[0] == "chip" else cells
            for key, cells in self.kinds.items()
        }
        return PricedSegments(units, kinds, self.kind_ticks, self.num_segments)


def as_array(interval: Interval) -> Cells:
    """An interval as the array (value, low, high)."""
    return np.array([interval.value, interval.low, interval.high])


def price_segments(
    run: SimulationRun, trace: OpTrace, ledger: Ledger, powers: Sequence[StaticPower]
) -> PricedSegments:
    """Dynamic and static energy of every segment, before the regulator's loss."""
    kind_of = {op.name: op.kind for op in trace.all_ops()} | {BARRIER: BARRIER}
    count = len(run.segments)
    units: dict[Key, Cells] = {}
    kinds: dict[Key, Cells] = {}
    kind_ticks: dict[str, NDArray[np.int64]] = {}
    for index, segment in enumerate(run.segments):
        log = segment.log
        op_kinds = _op_kinds(log, kind_of)
        for row in log.activity():
            account, energy = ledger.energy_pj(row)
            _cells(units, (account, row.unit), count)[index] += energy
            _cells(kinds, (account, kind_of[row.op]), count)[index] += energy
        for kind, value in _ticks_by_kind(log, op_kinds).items():
            kind_ticks.setdefault(kind, np.zeros(count, dtype=np.int64))[index] = value
    durations = np.array([segment.log.duration_ticks for segment in run.segments])
    for power in powers:
        energy = as_array(power.power_mw) * PJ_PER_MW_TICK
        _cells(units, (power.account, power.unit), count)[:] += np.outer(durations, energy)
        for kind, owned in kind_ticks.items():
            _cells(kinds, (power.account, kind), count)[:] += np.outer(owned, energy)
    return PricedSegments(units, kinds, kind_ticks, count)


def _cells(table: dict[Key, Cells], key: Key, count: int) -> Cells:
    found = table.get(key)
    if found is None:
        found = table[key] = np.zeros((count, 3))
    return found


def _op_kinds(log: EventLog, kind_of: Mapping[str, str]) -> list[str]:
    unknown = [name for name in log.op_names if name not in kind_of]
    if unknown:
        raise InputError(
            f"segment {log.name!r}: events name ops that the trace lacks: {', '.join(unknown)}; "
            "price a run with the trace that it was simulated from"
        )
    return [kind_of[name] for name in log.op_names]


def _ticks_by_kind(log: EventLog, op_kinds: Sequence[str]) -> dict[str, int]:
    owned, waiting = op_ticks(log)
    ticks: dict[str, int] = {}
    for kind, value in zip(op_kinds, owned, strict=True):
        ticks[kind] = ticks.get(kind, 0) + int(value)
    if waiting:
        ticks[WAITING] = waiting
    return ticks
