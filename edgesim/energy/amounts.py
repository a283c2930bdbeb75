"""What each unit's each action did in every segment: whole numbers, ready to be priced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.costs import ActionCost
from edgesim.errors import TechnologyError
from edgesim.ir.eventlog import EventLog, JoinedLogs
from edgesim.units import TICKS_PER_S

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Amounts:
    """One action of one unit; columns of equal length."""

    unit: str
    action: str
    count: Counts
    bits: Counts
    busy_ticks: Counts
    silent: str = ""
    """What happened without bits, in words; empty where all events have some."""

    def priced_by(self, cost: ActionCost, frequency_hz: float) -> NDArray[np.float64]:
        """What multiplies a cost: counts, bits, or busy cycles; TechnologyError without bits."""
        if cost.measure == "count":
            return self.count.astype(np.float64)
        if cost.measure == "cycles":
            return self.busy_ticks.astype(np.float64) * (frequency_hz / TICKS_PER_S)
        if self.silent:
            raise TechnologyError(
                f"unit {self.unit!r}, action {self.action!r}, {self.silent} without bits, but the "
                "action is priced by the bit; record its bits"
            )
        return self.bits.astype(np.float64)


@dataclass(frozen=True, eq=False)
class OpAmounts:
    """One action of one unit by op of the joined log."""

    by_op: Amounts
    op: Counts
    """Number of the op of each row."""

    def by_segment(self, owner: Counts, num_segments: int) -> Amounts:
        """Summed over the ops of each segment; `owner` is the segment of each op."""
        sums = np.zeros((3, num_segments), dtype=np.int64)
        mine = self.by_op
        for row, column in zip(sums, (mine.count, mine.bits, mine.busy_ticks), strict=True):
            np.add.at(row, owner[self.op], column)
        return Amounts(mine.unit, mine.action, sums[0], sums[1], sums[2], mine.silent)


def op_amounts(joined: JoinedLogs) -> Iterator[OpAmounts]:
    """All actions of joined logs, op by op, sorted by unit and action."""
    log = joined.log
    sums = log.activity_sums()
    key = sums.unit * len(log.action_names) + sums.action
    for code in np.unique(key):
        part = sums.rows(key == code)
        names = log.unit_names[part.unit[0]], log.action_names[part.action[0]]
        silent = part.without_bits(log.op_names)
        yield OpAmounts(
            Amounts(*names, part.count, part.bits, part.busy_ticks, silent), part.op
        )  # fmt: skip


def segment_amounts(logs: Sequence[EventLog]) -> list[Amounts]:
    """All actions of the logs, segment by segment, sorted by unit and action.

    Taken from what every log keeps of itself, for logs that many runs share.
    """
    totals = [log.totals for log in logs]
    kinds = dict.fromkeys(mine.names for mine in totals)
    names = sorted({name for kind in kinds for name in kind})
    number = {name: i for i, name in enumerate(names)}
    rows = {kind: [number[name] for name in kind] for kind in kinds}
    values = np.zeros((len(names), 3, len(logs)), dtype=np.int64)
    silent: dict[tuple[str, str], str] = {}
    for segment, mine in enumerate(totals):
        values[rows[mine.names], :, segment] = mine.values
        silent |= mine.silent
    return [
        Amounts(unit, action, count, bits, busy, silent.get((unit, action), ""))
        for (unit, action), (count, bits, busy) in zip(names, values, strict=True)
    ]
