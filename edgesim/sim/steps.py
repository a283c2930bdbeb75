"""The steps of a segment as one table, which `engine` plays in SimPy and `step_kernel` in numba.

Whoever plays a table notes the ticks at which each step begins and ends. Everything else of an
event log is known before; `HostProgram.log` puts both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.eventlog import EventLog

STEP_SIZE = 5
KIND, PLACE, NUMBER, TICKS, HOLDS = range(STEP_SIZE)
"""Columns of a step. PLACE and NUMBER depend on its kind; TICKS is how long it lasts."""

# Kinds of step. Each belongs to a lane, which takes its steps one after another.
MOVE = 0
"""Data pass through the channel of medium number PLACE, which takes one transfer at a time."""
FETCH = 1
"""The weight stream waits for a free slot, then moves data into it as MOVE does."""
STORE = 2
"""The host waits for the store before to end; then the store lane does what MOVE does."""
WORK = 3
"""The host or the special function unit works."""
TILES = 4
"""PLACE output tiles of NUMBER reduction tiles, until the last operand is fetched."""
DRAIN = 5
"""Until the last output tile has left the array."""
DECODE_ROW = 6
"""Decodes an embedding row that was read, as soon as the row before is decoded."""
AWAIT_ROWS = 7
"""Until the last row is decoded."""
AWAIT_FETCH = 8
"""Until fetch number PLACE of the weight stream has ended."""
AWAIT_STORE = 9
"""Until the last store has ended."""
GIVE_SLOT = 10
"""Returns the slot of the oldest fetch."""
BEGIN_PRODUCT = 11
"""The tile pipeline is empty at this tick."""
BEGIN_ROWS = 12
"""No embedding row is being decoded at this tick."""
END = 13
"""The host has taken its last step, which ends the segment."""
LANE_END = 14
"""Another lane has taken its last step."""
START_LANE = 15
"""Lane number PLACE begins."""
AWAIT_LANE = 16
"""Until that lane has ended."""
GIVE_SIGNAL = 17
AWAIT_SIGNAL = 18
"""Until signal PLACE is given."""

# What a step holds while it lasts, as bits of HOLDS.
OPERAND0_PORT, OPERAND1_PORT, HOST_TURN = 1, 2, 4

EVENT_SIZE = 7
EVENT_STEP, WHEN, UNIT, ACTION, OP, COUNT, BITS = range(EVENT_SIZE)
"""Columns of an event. UNIT, ACTION and OP are numbers of names."""
WHOLE_STEP, AT_END, PAGES_OPENED, ARRAY_BUSY = range(4)
"""When an event is: from begin to end of its step, or at its end. Pages are opened at the begin;
work of the array is a whole step with its cycles as count. Both happen only if there are any."""
NOT_YET = -1
"""Tick of what did not happen."""

UNIT_NAMES = ("host", "dma", "pu", "sfu", "operand0", "operand1", "auxiliary")
HOST_UNIT, DMA_UNIT, PU_UNIT, SFU_UNIT, _, OPERAND1_UNIT, _, FIRST_MEDIUM = range(8)
"""Numbers of units; media follow in the order of their channels."""
ACTION_NAMES = (
    "issue", "interrupt", "decide", "compute", "transfer", "read", "write", "activate", "busy",
    "data_read", "data_write",
)  # fmt: skip
(ISSUE, INTERRUPT, DECIDE, COMPUTE, TRANSFER, READ, WRITE, ACTIVATE, BUSY, DATA_READ,
 DATA_WRITE) = range(11)  # fmt: skip
"""Numbers of actions; those that only counts have follow."""

HEADER_SIZE = 4
"""Numbers before the rows of a part: how often it is repeated, its steps, events and sequences."""


@dataclass(frozen=True, eq=False)
class HostProgram:
    """Steps of the host, then of the lanes that run beside it, and the events they stand for."""

    parts: list[int]
    """Steps and events in short, which `unroll` writes out.

    A part is a header, its steps, its events, and its sequences: a place among the numbers of its
    rows, and the number that stands there each time. EVENT_STEP counts from the part's begin.
    """
    num_steps: int
    num_events: int
    lanes: tuple[int, ...]
    """First step of the weight stream, and of each other lane; the host begins with step 0."""
    stream_slots: int
    num_channels: int
    concurrent: bool
    """Whether lanes contend for more than slots and channels: for single ports, or for the host."""
    unit_names: tuple[str, ...]
    action_names: tuple[str, ...]
    op_names: tuple[str, ...]

    def log(self, name: str, played: Played, period: int) -> EventLog:
        """The event log; a step that did not end has no events."""
        step, when, unit, action, op, count, bits = played.events.T
        begin, end = played.ticks.take(step, axis=1)
        by_array = np.flatnonzero(when == ARRAY_BUSY)
        if len(by_array):
            count[by_array] = (end[by_array] - begin[by_array]) // period
        happened = (end != NOT_YET) & ((count > 0) | (when < PAGES_OPENED))
        start = np.where(when == AT_END, end, begin)
        stop = np.where(when == PAGES_OPENED, begin, end)
        columns = (start, stop, unit, action, op, count, bits)
        if not happened.all():
            columns = tuple([column[happened] for column in columns])
        return EventLog.of_columns(
            name, played.duration_ticks, columns, self.unit_names, self.action_names,
            self.op_names,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Played:
    """A segment that has come to its end."""

    duration_ticks: int
    events: NDArray[np.int64]
    """All that may have happened, (events, EVENT_SIZE)."""
    ticks: NDArray[np.int64]
    """When each step began and ended, (2, steps); NOT_YET if it did not."""


def unroll(parts: Any, steps: Any, events: Any) -> None:
    """Write out the steps and events of all parts; everything is a list, or everything an array."""
    part = step = event = 0
    while part < len(parts):
        times, num_steps, num_events = parts[part], parts[part + 1], parts[part + 2]
        rows = part + HEADER_SIZE
        step_width, event_width = num_steps * STEP_SIZE, num_events * EVENT_SIZE
        first_step, first_event = step * STEP_SIZE, event * EVENT_SIZE
        for _ in range(times):
            begin = step * STEP_SIZE
            for number in range(step_width):
                steps[begin + number] = parts[rows + number]
            begin = event * EVENT_SIZE
            for number in range(event_width):
                events[begin + number] = parts[rows + step_width + number]
            for number in range(begin, begin + event_width, EVENT_SIZE):
                events[number] += step
            step += num_steps
            event += num_events
        sequence = rows + step_width + event_width
        for _ in range(parts[part + 3]):
            place = parts[sequence]
            if place < step_width:
                for time in range(times):
                    steps[first_step + place + time * step_width] = parts[sequence + 1 + time]
            else:
                place += first_event - step_width
                for time in range(times):
                    events[place + time * event_width] = parts[sequence + 1 + time]
            sequence += 1 + times
        part = sequence
