"""Segments in which the host waits for every command, laid out for the compiled engine.

Where PU and SFU overlap head by head, a memory has a single port, tiles outside a band are left
out, or a medium takes a pulse to write, a segment is left to SimPy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import PlannedOp, SegmentPlan, Spill
from edgesim.numerics.formats import format_bits
from edgesim.sim import serial_layout as at
from edgesim.sim.counts import Count, product_counts, vector_counts
from edgesim.sim.memory import MediumTiming
from edgesim.sim.serial_kernel import play
from edgesim.sim.serial_layout import COUNT, OP, REQUEST, ROW_READ, SPILL, STATE
from edgesim.sim.vector_unit import vector_op_cycles
from edgesim.units import ceil_div, period_ticks

_UNITS = {"pu": at.ON_PU, "host": at.ON_HOST, "exit": at.AT_EXIT, "fused": at.FUSED}
_ORDERS = {"row_blocked": at.ROW_BLOCKED, "weight_blocked": at.WEIGHT_BLOCKED}
_RANGES = (
    (at.REQUESTS, len(REQUEST)), (at.CHUNKS, 1), (at.BLOCKS, 1), (at.ENTRIES, len(SPILL)),
    (at.LOADS, len(SPILL)), (at.STORES, len(SPILL)), (at.COUNTS, len(COUNT)),
    (at.READS, len(ROW_READ)),
)  # fmt: skip
"""Tables that ops have rows of and the columns of each, in the order of the fields of an op."""
_ACTIONS = {name: number for number, name in enumerate(at.ACTION_NAMES)}
_MOST_RATE = 9 * 10**12
"""Bits a second, and bits of one transfer, up to which the kernel divides within 64 bits."""
_MOST_PRODUCT = 2**62


def is_serial(plan: SegmentPlan, chip: AcceleratorSpec, media: Iterable[MediumTiming]) -> bool:
    """Whether the compiled engine can play a segment; all others are SimPy's."""
    if "1RW" in (chip.buffers.operand0.ports, chip.buffers.operand1.ports):
        return False
    if chip.sfu.overlap != "none" and any(op.repeats > 1 for op in plan.ops):
        return False
    if any(op.bands or (op.parameter_bits and op.chunks) for op in plan.ops):
        return False
    pulsed = set()
    for medium in media:
        if (medium.bits_per_second or 0) >= _MOST_RATE:
            return False
        if medium.write_ticks is not None:
            pulsed.add(medium.medium)
    return plan.traffic_bits < _MOST_RATE and all(
        _spills_simply(op, pulsed) for op in plan.ops if op.loads or op.stores or op.entry_stores
    )


def _spills_simply(op: PlannedOp, pulsed: Collection[str]) -> bool:
    """Whether what moves takes no pulse to write, and its shares are found within 64 bits."""
    whole = max(1, op.rows * op.columns * op.repeats)
    written = (*op.stores, *op.entry_stores)
    return not any(move.medium in pulsed for move in written) and all(
        move.bits * whole < _MOST_PRODUCT for move in (*op.loads, *written)
    )


class SerialPlayer:
    """Plays serial segments of one chip on the compiled engine.

    The prologues of one length differ in the rows that they read; the rest of their tables is made
    once.
    """

    def __init__(self, chip: AcceleratorSpec, every_tile: bool = False) -> None:
        self.chip, self.every_tile = chip, every_tile
        self._prologues: dict[object, _Tables] = {}

    def log(self, plan: SegmentPlan, timing: Sequence[MediumTiming]) -> EventLog | None:
        """Event log of a segment; None where it gets stuck. `timing` is of the plan's media."""
        tables = self._tables(plan, timing)
        state = _state(plan, self.chip, self.every_tile)
        columns = play(state, tables.flat())
        if not state[STATE.ended]:
            return None
        return EventLog.of_columns(
            plan.label, int(state[STATE.now]), columns, tuple(tables.units), tuple(tables.actions),
            tables.op_names,
        )  # fmt: skip

    def _tables(self, plan: SegmentPlan, timing: Sequence[MediumTiming]) -> _Tables:
        reads: dict[str, list[int]] = {op.table: [] for op in plan.ops if op.table}
        if not reads:
            return _Tables(plan, self.chip, timing, reads)
        media = {medium.medium: number for number, medium in enumerate(timing)}
        for medium, table, bits in plan.embedding_reads:
            reads[table] += (media[medium], bits)
        key = (id(plan.ops), plan.media, *map(len, reads.values()))
        found = self._prologues.get(key)
        if found is None:
            found = self._prologues[key] = _Tables(plan, self.chip, timing, reads)
        found.read(reads)
        return found


def _state(plan: SegmentPlan, chip: AcceleratorSpec, every_tile: bool) -> NDArray[np.int64]:
    """What the clients find before the first tick."""
    pu = chip.pu
    state = np.zeros(len(STATE), np.int64)
    state[: STATE.now] = (
        period_ticks(chip.clock.frequency_hz), pu.vector_size,
        ceil_div(pu.vector_size, pu.drain_vectors_per_cycle), pu.operand_tile_buffers,
        pu.accumulator_buffers, pu.pipeline_fill_cycles, not every_tile,
    )  # fmt: skip
    state[STATE.free_slots] = plan.stream_slots
    state[STATE.awaited_chunk] = at.IDLE
    return state


class _Tables:
    """The tables of one segment: rows of each, one after another in a flat list.

    `reads` are medium and bits of every row read, by table.
    """

    def __init__(
        self, plan: SegmentPlan, chip: AcceleratorSpec, timing: Sequence[MediumTiming],
        reads: Mapping[str, Sequence[int]],
    ) -> None:  # fmt: skip
        self.ops, self.chip = plan.ops, chip
        self.op_names = tuple([op.name for op in plan.ops])
        media = [medium.medium for medium in timing]
        self.media = {name: number for number, name in enumerate(media)}
        self.units = {name: i for i, name in enumerate((*at.UNIT_NAMES, *media))}
        self.actions = dict(_ACTIONS)
        self.element_bits = format_bits(chip.pu.number_format)
        self.shares: dict[tuple[str, str, str], int] = {}
        self.sections: list[list[int]] = [[] for _ in range(at.NUM_SECTIONS)]
        self.sections[at.CHIP_FIGURES] = self._figures()
        for of in timing:
            figures = (of.latency_ticks, of.bits_per_second or 0, of.port_bits, of.page_bits or 0)
            self.sections[at.MEDIA] += figures
        rows: list[int] = []
        for number, op in enumerate(self.ops):
            rows += self._op(number, op, reads)
        self.sections[at.OPS] = [*rows, *(0,) * OP.first_request, *self._places()]

    def read(self, reads: Mapping[str, Sequence[int]]) -> None:
        """Put other rows in the place of those that were read, as many of every table."""
        self.sections[at.READS] = [
            figure for op in self.ops if op.table for figure in reads[op.table]
        ]

    def flat(self) -> NDArray[np.int64]:
        """All sections behind the number of entries of each, as the kernel takes them."""
        numbers = [len(section) for section in self.sections]
        for section in self.sections:
            numbers += section
        return np.array(numbers, dtype=np.int64)

    def _figures(self) -> list[int]:
        host = self.chip.host
        return [
            self.chip.pu.vector_size, self.chip.sfu.pipeline_fill_cycles, host.config_write_cycles,
            host.pu_config_writes, host.sfu_config_writes, host.pu_interrupt_cycles,
            host.sfu_interrupt_cycles,
        ]  # fmt: skip

    def _places(self) -> tuple[int, ...]:
        """First row of the next op in every table that ops have rows of."""
        return tuple([len(self.sections[number]) // width for number, width in _RANGES])

    def _op(
        self, number: int, op: PlannedOp, reads: Mapping[str, Sequence[int]]
    ) -> tuple[int, ...]:
        """The op's own row; those of the other tables are added."""
        places = self._places()
        sections, media = self.sections, self.media
        if op.parameter_bits:
            sections[at.REQUESTS] += (number, media[op.medium], op.parameter_bits)
        if op.chunks:
            medium = media[op.medium]
            stream = [part for chunk in op.chunks for part in (number, medium, chunk.stored_bits)]
            sections[at.REQUESTS] += stream * op.weight_passes
            sections[at.CHUNKS] += [chunk.column_tiles for chunk in op.chunks]
        sections[at.BLOCKS] += op.row_blocks
        self._move(at.ENTRIES, op, op.entry_stores)
        self._move(at.LOADS, op, op.loads)
        self._move(at.STORES, op, op.stores)
        for count in self._counts(op):
            action = self.actions.setdefault(count.action, len(self.actions))
            sections[at.COUNTS] += (self.units[count.unit], action, count.count, count.bits)
        if op.table:
            sections[at.READS] += reads[op.table]
        passes = op.loads[0].passes if op.loads else 1
        return (
            _UNITS.get(op.unit, at.ON_SFU), op.rows, op.reduction, op.columns, op.repeats,
            _ORDERS.get(op.order, at.RESIDENT), passes, op.parameter_bits > 0,
            op.kind == "embedding", self._cycles(op), op.rows * op.reduction * op.repeats, *places,
        )  # fmt: skip

    def _move(self, section: int, op: PlannedOp, spills: Sequence[Spill]) -> None:
        for spill in spills:
            share = self.shares.setdefault((op.name, op.kind, spill.tensor), len(self.shares))
            self.sections[section] += (self.media[spill.medium], spill.bits, share)

    def _counts(self, op: PlannedOp) -> list[Count]:
        if op.unit == "pu":
            return product_counts(op, self.chip, self.element_bits)
        if _UNITS.get(op.unit, at.ON_SFU) == at.ON_SFU:
            return vector_counts(op, self.chip, self.element_bits)
        return []

    def _cycles(self, op: PlannedOp) -> int:
        """Cycles of the host or the special function unit; of one row for an embedding."""
        if op.unit == "exit":
            return self.chip.host.status_read_cycles
        if op.unit == "host":
            elements = op.rows * op.reduction * op.repeats
            return ceil(elements * self.chip.host.cycles_per_element)
        if op.unit in ("pu", "fused"):
            return 0
        if op.kind == "embedding":
            return ceil_div(op.columns, self.chip.pu.vector_size)
        return vector_op_cycles(self.chip, op)
