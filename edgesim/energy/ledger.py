"""Energy of every segment by account, unit and op kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.costs import Account, ActionCost, account_of, action_cost
from edgesim.energy.static import StaticPower
from edgesim.energy.timeshare import op_ticks
from edgesim.errors import InputError, TechnologyError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import ActivitySums, EventLog
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

    def cost(self, unit: str, action: str) -> tuple[Account, ActionCost, Cells]:
        """Account, cost and energy (value, low, high) of one unit's action."""
        cost = action_cost(self.chip, self.technology, unit, action)
        self.entries.update(cost.entries)
        return account_of(self.chip, unit), cost, as_array(cost.energy_pj)

    def amounts(self, log: EventLog, sums: ActivitySums, cost: ActionCost) -> Cells:
        """What multiplies a cost, per row: counts, bits, or busy cycles."""
        if cost.measure == "count":
            return sums.count.astype(np.float64)
        if cost.measure == "cycles":
            ticks = sums.busy_ticks.astype(np.float64)
            return ticks * (self.chip.clock.frequency_hz / TICKS_PER_S)
        silent = np.flatnonzero((sums.count > 0) & (sums.bits == 0))
        if len(silent):
            row = silent[0]
            raise TechnologyError(
                f"unit {log.unit_names[sums.unit[row]]!r}, action "
                f"{log.action_names[sums.action[row]]!r}, op {log.op_names[sums.op[row]]!r}: "
                f"{sums.count[row]} events without bits, but the action is priced by the bit; "
                "record its bits"
            )
        return sums.bits.astype(np.float64)


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
    for segment in run.segments:
        kind_of.update(segment.added_kinds)
    count = len(run.segments)
    op_kinds = _op_kinds(run, kind_of)
    units: dict[Key, Cells] = {}
    kinds: dict[Key, Cells] = {}
    log, owner = run.joined.log, run.joined.log_of_op
    for sums in _by_action(log):
        unit = log.unit_names[sums.unit[0]]
        account, cost, energy = ledger.cost(unit, log.action_names[sums.action[0]])
        spent = np.outer(ledger.amounts(log, sums, cost), energy)
        np.add.at(_cells(units, (account, unit), count), owner[sums.op], spent)
        for kind in dict.fromkeys(op_kinds[sums.op].tolist()):
            mine = op_kinds[sums.op] == kind
            np.add.at(_cells(kinds, (account, kind), count), owner[sums.op[mine]], spent[mine])
    kind_ticks = _ticks_by_kind(run, op_kinds)
    durations = np.array([segment.log.duration_ticks for segment in run.segments])
    for power in powers:
        energy = as_array(power.power_mw) * PJ_PER_MW_TICK
        _cells(units, (power.account, power.unit), count)[:] += np.outer(durations, energy)
        for kind, owned in kind_ticks.items():
            _cells(kinds, (power.account, kind), count)[:] += np.outer(owned, energy)
    return PricedSegments(units, kinds, kind_ticks, count)


def _by_action(log: EventLog) -> Iterator[ActivitySums]:
    """The log's activity, split by unit and action."""
    sums = log.activity_sums()
    key = sums.unit * len(log.action_names) + sums.action
    for code in np.unique(key):
        mine = key == code
        yield ActivitySums(
            sums.unit[mine], sums.action[mine], sums.op[mine], sums.count[mine], sums.bits[mine],
            sums.busy_ticks[mine],
        )  # fmt: skip


def _cells(table: dict[Key, Cells], key: Key, count: int) -> Cells:
    found = table.get(key)
    if found is None:
        found = table[key] = np.zeros((count, 3))
    return found


def _op_kinds(run: SimulationRun, kind_of: Mapping[str, str]) -> NDArray[np.str_]:
    """Kind of every op of the joined log."""
    names = run.joined.log.op_names
    unknown = [i for i, name in enumerate(names) if name not in kind_of]
    if unknown:
        segment = run.segments[int(run.joined.log_of_op[unknown[0]])]
        lacking = dict.fromkeys(names[i] for i in unknown)
        raise InputError(
            f"segment {segment.log.name!r}: events name ops that the trace lacks: "
            f"{', '.join(lacking)}; price a run with the trace that it was simulated from"
        )
    return np.array([kind_of[name] for name in names], dtype=np.str_)


def _ticks_by_kind(run: SimulationRun, op_kinds: NDArray[np.str_]) -> dict[str, NDArray[np.int64]]:
    """Ticks of every segment by the kind of the op that owns them; the rest is waiting."""
    owned, _ = op_ticks(run.joined.log)
    ticks: dict[str, NDArray[np.int64]] = {}
    left = np.array([segment.log.duration_ticks for segment in run.segments], dtype=np.int64)
    for kind in dict.fromkeys(op_kinds.tolist()):
        mine = op_kinds == kind
        column = np.zeros(len(run.segments), dtype=np.int64)
        np.add.at(column, run.joined.log_of_op[mine], owned[mine])
        ticks[kind] = column
        left -= column
    if left.any():
        ticks[WAITING] = left
    return ticks
