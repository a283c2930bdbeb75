"""EventLog: what happened when, in ticks and counts. Joules come later, from the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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

    Actions by unit: `host` issue, interrupt, decide (count), compute (count = elements) · `dma`
    transfer · `pu` busy (count = cycles), mac, mac_gated, activation (counts) · `sfu` busy
    (count = cycles), softmax, layernorm, add, entropy, pool, relayout, embedding (count =
    elements) · `operand0`/`operand1` data_read, data_write, mask_read, mask_write (bits) ·
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

    def __len__(self) -> int:
        return len(self.start_ticks)

    def activity(self) -> Iterator[ActivityRow]:
        """Sums of count, bits and busy ticks by unit, action and op."""
        key = (self.unit.astype(np.int64) * len(self.action_names) + self.action) * len(
            self.op_names
        ) + self.op
        unique, where = np.unique(key, return_inverse=True)
        totals = np.zeros((3, len(unique)), dtype=np.int64)
        np.add.at(totals[0], where, self.count)
        np.add.at(totals[1], where, self.bits)
        np.add.at(totals[2], where, self.end_ticks - self.start_ticks)
        for position, code in enumerate(unique):
            rest, op = divmod(int(code), len(self.op_names))
            unit, action = divmod(rest, len(self.action_names))
            count, bits, busy = (int(v) for v in totals[:, position])
            yield ActivityRow(
                self.unit_names[unit], self.action_names[action], self.op_names[op],
                count, bits, busy,
            )  # fmt: skip

    def busy_ticks(self, *units: str) -> int:
        """Ticks in which at least one of the units has an event under way."""
        wanted = [i for i, name in enumerate(self.unit_names) if name in units]
        mine = np.isin(self.unit, wanted)
        order = np.lexsort((self.end_ticks[mine], self.start_ticks[mine]))
        starts, ends = self.start_ticks[mine][order], self.end_ticks[mine][order]
        if not len(starts):
            return 0
        reached = np.concatenate(([starts[0]], np.maximum.accumulate(ends)[:-1]))
        return int(np.sum(np.maximum(ends - np.maximum(starts, reached), 0)))


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
        rows = sorted(self._rows)
        units = sorted({row[2] for row in rows})
        actions = sorted({row[3] for row in rows})
        ops = sorted({row[4] for row in rows})
        unit_index = {text: i for i, text in enumerate(units)}
        action_index = {text: i for i, text in enumerate(actions)}
        op_index = {text: i for i, text in enumerate(ops)}
        return EventLog(
            name=name,
            duration_ticks=duration_ticks,
            start_ticks=np.array([r[0] for r in rows], dtype=np.int64),
            end_ticks=np.array([r[1] for r in rows], dtype=np.int64),
            unit=np.array([unit_index[r[2]] for r in rows], dtype=np.int32),
            action=np.array([action_index[r[3]] for r in rows], dtype=np.int32),
            op=np.array([op_index[r[4]] for r in rows], dtype=np.int32),
            count=np.array([r[5] for r in rows], dtype=np.int64),
            bits=np.array([r[6] for r in rows], dtype=np.int64),
            unit_names=tuple(units),
            action_names=tuple(actions),
            op_names=tuple(ops),
        )
