"""The tables that a serial segment is played on, and the names behind their numbers.

All are int64 and two-dimensional, a column by a name such as `STEP.amount`. (Arrays of records say
the same, but their types carry every field name into every symbol of the compiled code: twice the
time to load.) A field `first_…` of an op is its first row in that table; its rows end where those
of the next op begin, and one more op closes the last range.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNIT_NAMES = ("host", "dma", "pu", "sfu", "operand0", "operand1", "auxiliary")
HOST_UNIT, DMA_UNIT, PU_UNIT, SFU_UNIT, _, OPERAND1_UNIT, _, FIRST_MEDIUM = range(8)
"""Numbers of units in a log; media follow in the order of their table."""
ACTION_NAMES = (
    "issue", "interrupt", "decide", "compute", "transfer", "read", "write", "activate", "busy",
    "data_read", "data_write",
)  # fmt: skip
(ISSUE, INTERRUPT, DECIDE, COMPUTE, TRANSFER, READ, WRITE, ACTIVATE, BUSY, DATA_READ,
 DATA_WRITE) = range(11)  # fmt: skip
"""Numbers of actions in a log; those that only counts have follow."""
ON_PU, ON_SFU, ON_HOST, AT_EXIT, FUSED = range(5)
RESIDENT, ROW_BLOCKED, WEIGHT_BLOCKED = range(3)
HOST, STREAM, STORE, NUM_CLIENTS = range(4)
IDLE = -1
"""The tick of a client that has no event to come."""
URGENT, NORMAL = range(2)

# Steps of the host and the unit that it waits for: kind, and what the other fields hold.
WORK = 0
"""`unit` does `action` for `amount` cycles and counts `count`."""
NOTE = 1
"""Counts `count` and `amount` bits of `unit`'s `action`."""
MOVE = 2
"""`amount` bits through the channel of medium `unit`; `count` is 1 for a spilled activation."""
AWAIT_CHUNK = 3
"""Waits for chunk `amount` of the weight stream."""
GIVE_SLOT = 4
"""Returns the slot of the oldest chunk."""
BEGIN_PRODUCT = 5
TILES = 6
"""`amount` output tiles of `count` reduction tiles, to the last operand's fetch."""
DRAIN = 7
"""To the end of the last output tile."""
AWAIT_STORE = 8
START_STORE = 9
"""Sends `amount` bits to medium `unit`, beside the product."""
BEGIN_ROWS = 10
DECODE_ROW = 11
"""Decodes a row that was read, for `amount` cycles, as soon as the one before is decoded."""
AWAIT_ROWS = 12
END = 13


def _columns(*names: str) -> Any:
    """The numbers of columns, by name."""
    return namedtuple("Columns", names)(*range(len(names)))


STEP = _columns("kind", "op", "unit", "action", "amount", "count")
FIGURES = _columns(
    "vector_size", "sfu_fill", "write_cycles", "pu_writes", "sfu_writes", "pu_interrupt",
    "sfu_interrupt",
)  # fmt: skip
"""What the steps depend on of the chip: cycles and counts."""
OP = _columns(
    "unit", "rows", "reduction", "columns", "repeats", "order", "passes", "parameters", "embeds",
    "cycles", "elements", "first_request", "first_chunk", "first_block", "first_entry",
    "first_load", "first_store", "first_count", "first_read",
)  # fmt: skip
REQUEST = _columns("op", "medium", "bits")
"""A chunk of the stream, in the order of use."""
SPILL = _columns("medium", "bits", "share")
"""An activation that moves, and where the parts of it that have moved are counted."""
COUNT = _columns("unit", "action", "count", "bits")
ROW_READ = _columns("medium", "bits")
MEDIUM = _columns("latency_ticks", "bits_per_second", "port_bits", "page_bits")
"""Rate and page are 0 where the medium has none."""
WAKE = _columns("tick", "urgency", "order")
"""A client's next event."""
CHANNEL = _columns("held", "waiting", "first", "second", "third")
"""Whether a medium's channel is held, how many wait for it, and who, in the order of asking."""
LOG = _columns("start", "end", "unit", "action", "op", "count", "bits")
"""Rows of a log; its columns are events."""
STATE = _columns(
    "period", "vector_size", "drain_cycles", "operand_buffers", "accumulators", "pu_fill", "skip",
    "now", "scheduled", "ended", "free_slots", "stream_waits", "chunk", "ready",
    "awaited_chunk", "step", "phase", "start", "begin", "decoded",
    "stream_phase", "stream_start",
    "store_under_way", "store_awaited", "store_phase", "store_start", "store_medium", "store_bits",
    "store_op", "num_rows",
)  # fmt: skip
"""Figures of the chip, then what changes; `step`, `phase`, `start`, `begin` are the host's."""

(CHIP_FIGURES, OPS, REQUESTS, CHUNKS, BLOCKS, ENTRIES, LOADS, STORES, COUNTS, READS, MEDIA,
 NUM_SECTIONS) = range(12)  # fmt: skip
"""Sections of the one array that the kernel takes, in their order."""

Table = NDArray[np.int64]


class Segment(NamedTuple):
    """What the steps of one segment are made from."""

    figures: Table
    ops: Table
    chunks: Table
    """Column tiles of every chunk."""
    blocks: Table
    """Rows of every block of every product."""
    entries: Table
    loads: Table
    stores: Table
    counts: Table
    reads: Table
    shares: Table
    steps: Table


class World(NamedTuple):
    """What the clients read and change while a segment is played."""

    state: Table
    steps: Table
    requests: Table
    media: Table
    channels: Table
    wake: Table
    tiles: Table
    """State of the tile pipeline."""
    log: Table
