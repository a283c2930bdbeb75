"""EventLog: what happened when, in ticks and counts. Joules come later, from the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ActivityRow:
    """Sum of one unit's one action over the events of one op."""

    unit: str
    """`host`, `dma`, `pu`, `sfu`, `operand0`, `operand1`, `auxiliary`, or a storage medium."""
    action: str
    op: str
    count: int
    bits: int
    busy_ticks: int


@dataclass(frozen=True, eq=False)
class EventLog:
    """Columns of one simulated segment; times are ticks from the segment's start.

    Actions by unit: `host` issue, interrupt, decide (count), compute (count = elements), copy
    (bits) · `dma` transfer · `pu` busy (count = cycles), mac, mac_gated, activation (counts) ·
    `sfu` busy (count = cycles), softmax, layernorm, add, entropy, pool, relayout, embedding
    (count = elements) · `operand0`/`operand1` data_read, data_write, mask_read, mask_write (bits) ·
    `auxiliary` read, write (bits) · a storage medium read, write (bits; count = transfers),
    activate (count = DRAM pages opened). Only busy, transfer, read, write of a medium, and host
    rows span time; counts have equal start and end.
    """

    name: str
    duration_ticks: int
    start_ticks: NDArray[np.int64]
    end_ticks: NDArray[np.int64]
    unit: NDArray[np.int32]
    action: NDArray[np.int32]
    op: NDArray[np.int32]
    count: NDArray[np.int64]
    bits: NDArray[np.int64]
    unit_names: tuple[str, ...]
    action_names: tuple[str, ...]
    op_names: tuple[str, ...]

    @classmethod
    def of_columns(
        cls, name: str, duration_ticks: int, columns: Iterable[NDArray[np.int64]],
        units: tuple[str, ...], actions: tuple[str, ...], ops: tuple[str, ...],
    ) -> EventLog:  # fmt: skip
        """The log of unsorted columns start, end, unit, action, op, count and bits.

        Units, actions and ops of the rows are numbers of the given names. Rows are sorted as
        `EventRecorder.freeze` sorts them.
        """
        start, end, unit, action, op, count, bits = columns
        unit_names, unit = _renumbered(unit, units)
        action_names, action = _renumbered(action, actions)
        op_names, op = _renumbered(op, ops)
        key = (unit * len(action_names) + action) * len(op_names) + op
        order = np.lexsort((bits, count, key, end, start))
        return cls(
            name, duration_ticks, start[order], end[order], unit[order].astype(np.int32),
            action[order].astype(np.int32), op[order].astype(np.int32), count[order], bits[order],
            unit_names, action_names, op_names,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.start_ticks)

    def activity_sums(self) -> ActivitySums:
        """Sums of count, bits and busy ticks by unit, action and op, as columns."""
        num_actions, num_ops = len(self.action_names), len(self.op_names)
        key = (self.unit.astype(np.int64) * num_actions + self.action) * num_ops + self.op
        unique, where = np.unique(key, return_inverse=True)
        sums = np.zeros((3, len(unique)), dtype=np.int64)
        for row, column in enumerate((self.count, self.bits, self.end_ticks - self.start_ticks)):
            np.add.at(sums[row], where, column)
        rest, op = np.divmod(unique, max(num_ops, 1))
        unit, action = np.divmod(rest, max(num_actions, 1))
        return ActivitySums(unit, action, op, sums[0], sums[1], sums[2])

    @cached_property
    def twins(self) -> dict[object, EventLog]:
        """This log under the names of segments that repeat its own, by whatever tells them."""
        return {}

    @cached_property
    def totals(self) -> ActionTotals:
        """Sums by unit and action. They stay with the log, because many runs may share it."""
        sums = self.activity_sums()
        pairs = sums.unit * max(len(self.action_names), 1) + sums.action
        names, rows, silent = [], [], {}
        for pair in np.unique(pairs):
            part = sums.rows(pairs == pair)
            names.append((self.unit_names[part.unit[0]], self.action_names[part.action[0]]))
            rows.append([column.sum() for column in (part.count, part.bits, part.busy_ticks)])
            if words := part.without_bits(self.op_names):
                silent[names[-1]] = words
        values = np.array(rows, dtype=np.int64).reshape(len(rows), 3)
        return ActionTotals(tuple(names), values, silent)

    def activity(self) -> Iterator[ActivityRow]:
        """Sums of count, bits and busy ticks by unit, action and op, row by row."""
        sums = self.activity_sums()
        columns = (sums.unit, sums.action, sums.op, sums.count, sums.bits, sums.busy_ticks)
        for unit, action, op, count, bits, busy in zip(*(c.tolist() for c in columns), strict=True):
            names = (self.unit_names[unit], self.action_names[action], self.op_names[op])
            yield ActivityRow(*names, count, bits, busy)

    def fresh_ticks(self, *units: str) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """The units' events, and how many ticks each adds to the time they are busy together."""
        wanted = [i for i, name in enumerate(self.unit_names) if name in units]
        mine = np.isin(self.unit, wanted)
        starts, ends = self.start_ticks[mine], self.end_ticks[mine]
        added = np.zeros(len(starts), dtype=np.int64)
        if len(starts):
            order = np.lexsort((ends, starts))
            begin, end = starts[order], ends[order]
            reached = np.concatenate(([begin[0]], np.maximum.accumulate(end)[:-1]))
            added[order] = np.maximum(end - np.maximum(begin, reached), 0)
        return mine, added

    def busy_ticks(self, *units: str) -> int:
        """Ticks in which at least one of the units has an event under way."""
        return int(self.fresh_ticks(*units)[1].sum())


@dataclass(frozen=True, eq=False)
class ActionTotals:
    """Sums over a log by unit and action, sorted by both."""

    names: tuple[tuple[str, str], ...]
    values: NDArray[np.int64]
    """Count, bits and busy ticks, (actions, 3)."""
    silent: Mapping[tuple[str, str], str]
    """What happened without bits, as of `ActivitySums.without_bits`."""


@dataclass(frozen=True, eq=False)
class ActivitySums:
    """Columns of equal length; unit, action and op index the names of their log."""

    unit: NDArray[np.int64]
    action: NDArray[np.int64]
    op: NDArray[np.int64]
    count: NDArray[np.int64]
    bits: NDArray[np.int64]
    busy_ticks: NDArray[np.int64]

    def rows(self, which: NDArray[np.bool_]) -> ActivitySums:
        """Some of the rows."""
        return ActivitySums(
            self.unit[which], self.action[which], self.op[which], self.count[which],
            self.bits[which], self.busy_ticks[which],
        )  # fmt: skip

    def without_bits(self, op_names: Sequence[str]) -> str:
        """The first op with events that have no bits, in words; empty where there is none."""
        silent = np.flatnonzero((self.count > 0) & (self.bits == 0))
        if not len(silent):
            return ""
        return f"op {op_names[self.op[silent[0]]]!r}: {self.count[silent[0]]} events"


@dataclass(frozen=True, eq=False)
class JoinedLogs:
    """Many logs as one, laid end to end in time, so that they are summed in one pass."""

    log: EventLog
    """Ops of different logs are kept apart: `op_names` lists the ops of every log in turn."""
    log_of_op: NDArray[np.int64]
    """Number of the log that each op of `log` came from."""
    num_logs: int

    @classmethod
    def of(cls, logs: Sequence[EventLog]) -> JoinedLogs:
        """Join logs in the given order."""
        units = sorted({name for log in logs for name in log.unit_names})
        actions = sorted({name for log in logs for name in log.action_names})
        begins = np.cumsum([0, *(log.duration_ticks for log in logs)])
        firsts = np.cumsum([0, *(len(log.op_names) for log in logs)])

        def joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
            return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

        def renamed(names: list[str], own: tuple[str, ...]) -> NDArray[np.int64]:
            return np.array([names.index(name) for name in own], dtype=np.int64)

        numbered = list(enumerate(logs))
        log = EventLog(
            name="joined",
            duration_ticks=int(begins[-1]),
            start_ticks=joined([x.start_ticks + begins[i] for i, x in numbered]),
            end_ticks=joined([x.end_ticks + begins[i] for i, x in numbered]),
            unit=joined([renamed(units, x.unit_names)[x.unit] for x in logs]).astype(np.int32),
            action=joined([renamed(actions, x.action_names)[x.action] for x in logs]).astype(
                np.int32
            ),
            op=joined([x.op + firsts[i] for i, x in numbered]).astype(np.int32),
            count=joined([x.count for x in logs]),
            bits=joined([x.bits for x in logs]),
            unit_names=tuple(units),
            action_names=tuple(actions),
            op_names=tuple(name for x in logs for name in x.op_names),
        )
        owner = np.repeat(np.arange(len(logs)), np.diff(firsts))
        return cls(log, owner, len(logs))

    def busy_ticks(self, *units: str) -> NDArray[np.int64]:
        """Busy ticks of the units together in every log, (num_logs,)."""
        mine, added = self.log.fresh_ticks(*units)
        totals = np.zeros(self.num_logs, dtype=np.int64)
        np.add.at(totals, self.log_of_op[self.log.op[mine]], added)
        return totals


class EventRecorder:
    """Collects events while a segment is simulated, then freezes them into an EventLog."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, str, str, str, int, int]] = []

    def add(
        self, start_ticks: int, end_ticks: int, unit: str, action: str, op: str,
        count: int = 0, bits: int = 0,
    ) -> None:  # fmt: skip
        """Note one event; `end_ticks` may equal `start_ticks` for pure counts."""
        self._rows.append((start_ticks, end_ticks, unit, action, op, count, bits))

    def freeze(self, name: str, duration_ticks: int) -> EventLog:
        """The log, sorted by start, end, unit, action and op."""
        columns = list(zip(*sorted(self._rows), strict=True)) or [()] * 7
        units, unit = _numbered(columns[2])
        actions, action = _numbered(columns[3])
        ops, op = _numbered(columns[4])
        starts, ends, counts, bits = (np.array(columns[i], dtype=np.int64) for i in (0, 1, 5, 6))
        return EventLog(
            name, duration_ticks, starts, ends, unit, action, op, counts, bits, units, actions,
            ops,
        )  # fmt: skip


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The distinct names in order, and every name as its number among them."""
    distinct = tuple(sorted(set(names)))
    number = {name: i for i, name in enumerate(distinct)}
    return distinct, np.fromiter(map(number.__getitem__, names), np.int32, len(names))


def _renumbered(
    numbers: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names that occur, in order, and every number as its name's place among them."""
    used = np.bincount(numbers, minlength=len(names)) > 0
    distinct, places = _places(names, used.tobytes())
    return distinct, places[numbers]


@lru_cache(maxsize=1024)
def _places(names: tuple[str, ...], used: bytes) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names that are used, in order, and the place of every name among them, else 0."""
    distinct = tuple(sorted({name for name, is_used in zip(names, used, strict=True) if is_used}))
    place = {name: i for i, name in enumerate(distinct)}
    return distinct, np.array([place.get(name, 0) for name in names], dtype=np.int64)
