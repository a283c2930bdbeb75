"""Energy of every segment by account, unit and op kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.amounts import Amounts, OpAmounts, op_amounts, segment_amounts
from edgesim.energy.costs import Account, ActionCost, account_of, action_cost
from edgesim.energy.static import StaticPower, static_powers
from edgesim.energy.supply import keeps_supply, regulator_loss
from edgesim.energy.timeshare import op_ticks
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.interval import Interval
from edgesim.ir.latency import OperatingPoint
from edgesim.ir.optrace import OpTrace
from edgesim.ir.run import SimulationRun
from edgesim.tech import Technology

BARRIER = "barrier"
UNPRICED_UNITS = ("supply",)
"""Units whose events take time and no energy beside the static power of that time."""
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


@dataclass(frozen=True, eq=False)
class PricedSegments:
    """Energy in pJ per segment, arrays (segments, 3) of value, low and high; time in ticks."""

    units: dict[Key, Cells]
    """By account and unit; `ldo` holds the regulator's loss."""
    kinds: dict[Key, Cells]
    """By account and op kind."""
    kind_ticks: dict[str, NDArray[np.int64]]
    """Ticks by op kind, (segments,); sum to the durations."""
    num_segments: int = field(default=0)

    def add(self, unit: Key, energy: Cells, loss: Cells | None) -> None:
        """Add energy of a unit, with the regulator's loss behind it."""
        account, _ = unit
        self._add(unit, energy)
        if loss is not None:
            self._add((account, REGULATOR), energy * loss)

    def _add(self, unit: Key, energy: Cells) -> None:
        known = self.units.get(unit)
        if known is None:
            self.units[unit] = energy.copy()
        else:
            known += energy

    def put(self, part: PricedSegments, rows: Sequence[int]) -> None:
        """Place the segments of a part at their rows."""
        for table, own in ((self.units, part.units), (self.kinds, part.kinds)):
            for key, cells in own.items():
                _cells(table, key, self.num_segments)[rows] += cells
        for kind, ticks in part.kind_ticks.items():
            column = self.kind_ticks.setdefault(kind, np.zeros(self.num_segments, dtype=np.int64))
            column[rows] += ticks

    def accounts(self) -> dict[Account, Cells]:
        """Energy by account, units added by name so that equal segments give equal sums."""
        totals = {account: np.zeros((self.num_segments, 3)) for account in ACCOUNTS}
        for account, unit in sorted(self.units):
            totals[account] += self.units[account, unit]
        return totals


def as_array(interval: Interval) -> Cells:
    """An interval as the array (value, low, high)."""
    return np.array([interval.value, interval.low, interval.high])


@dataclass(frozen=True, eq=False)
class Supply:
    """What prices the segments of one operating point."""

    ledger: Ledger
    powers: Sequence[StaticPower]
    loss: Interval
    """Regulator's loss as a share of the energy of units on the scaled supply."""
    fixed_loss: Interval
    """The same for units that keep the supply of the chip's own clock."""

    @classmethod
    def of(cls, chip: AcceleratorSpec, technology: Technology, at: AcceleratorSpec) -> Supply:
        """The supply of a chip while it runs `at` another operating point of itself."""
        return cls(
            Ledger(at, technology), static_powers(at, technology)[0],
            regulator_loss(at, technology)[0], regulator_loss(chip, technology)[0],
        )  # fmt: skip

    def loss_of(self, unit: str) -> Cells:
        """Loss share (value, low, high) of a unit on chip."""
        return self._fixed_loss if keeps_supply(unit) else self._scaled_loss

    @cached_property
    def _scaled_loss(self) -> Cells:
        return as_array(self.loss)

    @cached_property
    def _fixed_loss(self) -> Cells:
        return as_array(self.fixed_loss)

    @property
    def entries(self) -> set[str]:
        """Technology entries used so far."""
        return self.ledger.entries | {entry for power in self.powers for entry in power.entries}


def price_segments(
    run: SimulationRun, trace: OpTrace, chip: AcceleratorSpec, technology: Technology,
    by_kind: bool = True,
) -> tuple[PricedSegments, set[str]]:  # fmt: skip
    """Energy of every segment at the operating point that it ran at, and the entries used.

    Dynamic energy is activity times entry; static power flows for each segment's duration; the
    regulator's loss is a unit of its own, `ldo`, and part of every op kind. Without `by_kind`
    energies and ticks of op kinds stay empty.
    """
    rows_of: dict[OperatingPoint | None, list[int]] = {}
    for row, segment in enumerate(run.segments):
        rows_of.setdefault(segment.point, []).append(row)
    count = len(run.segments)
    whole = PricedSegments({}, {}, {}, count)
    entries = set(regulator_loss(chip, technology)[1])
    nothing = np.zeros(0, dtype=np.int64)
    for point, rows in rows_of.items():
        at = chip if point is None else chip.at(point.frequency_hz, point.voltage_v)
        supply = Supply.of(chip, technology, at)
        part = SimulationRun(
            tuple(run.segments[row] for row in rows), (), nothing, nothing, nothing
        )
        whole.put(_price_part(part, trace if by_kind else None, supply), rows)
        entries |= supply.entries
    regulator: Key = ("chip", REGULATOR)
    if regulator in whole.units:
        whole.units[regulator] = whole.units.pop(regulator)
    return whole, entries


def _price_part(run: SimulationRun, trace: OpTrace | None, supply: Supply) -> PricedSegments:
    """Energy of segments that ran at one operating point; by op kind where a trace tells it."""
    priced = PricedSegments({}, {}, {}, len(run.segments))
    kinds = None if trace is None else _KindTable.of(run, trace)
    frequency_hz = supply.ledger.chip.clock.frequency_hz
    for amounts, by_op in _amounts(run, trace is not None):
        unit = amounts.unit
        if unit in UNPRICED_UNITS:
            continue
        account, cost, energy = supply.ledger.cost(unit, amounts.action)
        loss = supply.loss_of(unit) if account == "chip" else None
        spent = amounts.priced_by(cost, frequency_hz)[:, np.newaxis] * energy
        priced.add((account, unit), spent, loss)
        if kinds is not None and by_op is not None:
            spent = np.outer(by_op.by_op.priced_by(cost, frequency_hz), energy)
            spent = spent if loss is None else spent * (1 + loss)
            kinds.add(account, by_op.op, run.joined.log_of_op[by_op.op], spent)
    durations = np.array([segment.log.duration_ticks for segment in run.segments])
    for power in supply.powers:
        loss = supply.loss_of(power.unit) if power.account == "chip" else None
        energy = as_array(power.power_mw) * PJ_PER_MW_TICK
        priced.add((power.account, power.unit), durations[:, np.newaxis] * energy, loss)
        if kinds is not None:
            kinds.add_static(power.account, energy if loss is None else energy * (1 + loss))
    return priced if kinds is None else kinds.put_into(priced)


def _amounts(run: SimulationRun, by_op: bool) -> Iterator[tuple[Amounts, OpAmounts | None]]:
    """What every action did by segment, and by op where that is asked for."""
    if not by_op:
        logs = [segment.log for segment in run.segments]
        yield from ((amounts, None) for amounts in segment_amounts(logs))
        return
    for ops in op_amounts(run.joined):
        yield ops.by_segment(run.joined.log_of_op, len(run.segments)), ops


@dataclass(frozen=True, eq=False)
class _KindTable:
    """Energy by op kind while segments are priced."""

    names: tuple[str, ...]
    of_op: NDArray[np.int64]
    """Number of the kind of every op of the joined log."""
    ticks: NDArray[np.int64]
    """(kinds, segments)."""
    energy: dict[Account, Cells] = field(default_factory=dict)
    """(kinds, segments, 3)."""

    @classmethod
    def of(cls, run: SimulationRun, trace: OpTrace) -> _KindTable:
        """The kinds of a run's ops, with the ticks that each owns."""
        kind_of = {op.name: op.kind for op in trace.all_ops()} | {BARRIER: BARRIER}
        for segment in run.segments:
            kind_of.update(segment.added_kinds)
        op_kinds = _op_kinds(run, kind_of).tolist()
        ticks = _ticks_by_kind(run, np.array(op_kinds, dtype=np.str_))
        names = tuple(ticks)
        of_op = np.array([names.index(kind) for kind in op_kinds], dtype=np.int64)
        rows = np.array([ticks[name] for name in names], dtype=np.int64)
        return cls(names, of_op, rows.reshape(len(names), len(run.segments)))

    def add(
        self, account: Account, ops: NDArray[np.int64], segments: NDArray[np.int64], energy: Cells
    ) -> None:
        """Add energy (rows, 3) of ops in their segments."""
        np.add.at(self._cells(account), (self.of_op[ops], segments), energy)

    def add_static(self, account: Account, energy_per_tick: Cells) -> None:
        """Add energy that flows all the time, to whoever owns the tick."""
        self._cells(account)[:] += self.ticks[:, :, np.newaxis] * energy_per_tick

    def _cells(self, account: Account) -> Cells:
        if account not in self.energy:
            self.energy[account] = np.zeros((*self.ticks.shape, 3))
        return self.energy[account]

    def put_into(self, priced: PricedSegments) -> PricedSegments:
        """The priced segments with their kinds; kinds that an account never meets are left out."""
        for account, cells in self.energy.items():
            for name, own, ticks in zip(self.names, cells, self.ticks, strict=True):
                if own.any() or ticks.any():
                    priced.kinds[account, name] = own
        priced.kind_ticks.update(zip(self.names, self.ticks, strict=True))
        return priced


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
