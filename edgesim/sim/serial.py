"""Segments in which the host waits for every command, laid out for the compiled engine.

Where PU and SFU overlap head by head, a memory has a single port, tiles outside a band are left
out, or a medium takes a pulse to write, a segment is left to SimPy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import PlannedOp, SegmentPlan, Spill
from edgesim.numerics.formats import format_bits
from edgesim.sim import serial_layout as at
from edgesim.sim.counts import Count, product_counts, vector_counts
from edgesim.sim.kernels import STATE_SIZE
from edgesim.sim.memory import MediumTiming
from edgesim.sim.serial_kernel import play
from edgesim.sim.vector_unit import vector_op_cycles
from edgesim.units import ceil_div, period_ticks

_UNITS = {"pu": at.ON_PU, "host": at.ON_HOST, "exit": at.AT_EXIT, "fused": at.FUSED}
_ORDERS = {"row_blocked": at.ROW_BLOCKED, "weight_blocked": at.WEIGHT_BLOCKED}
_RANGES = {
    "first_request": "requests", "first_chunk": "chunks", "first_block": "blocks",
    "first_entry": "entries", "first_load": "loads", "first_store": "stores",
    "first_count": "counts", "first_read": "reads",
}  # fmt: skip
"""Tables that ops have rows of, in the order of the fields of an op."""
_MOST_RATE = 9 * 10**12
"""Bits a second, and bits of one transfer, up to which the kernel divides within 64 bits."""
_MOST_PRODUCT = 2**62


def is_serial(plan: SegmentPlan, chip: AcceleratorSpec, media: Iterable[MediumTiming]) -> bool:
    """Whether the compiled engine can play a segment; all others are SimPy's."""
    in_turn = chip.sfu.overlap == "none" or all(op.repeats == 1 for op in plan.ops)
    ports = (chip.buffers.operand0.ports, chip.buffers.operand1.ports)
    plain = not any(op.bands or (op.parameter_bits and op.chunks) for op in plan.ops)
    slow = all((medium.bits_per_second or 0) < _MOST_RATE for medium in media)
    pulsed = {medium.medium for medium in media if medium.write_ticks is not None}
    plain = plain and not any(
        move.medium in pulsed for op in plan.ops for move in (*op.stores, *op.entry_stores)
    )
    return in_turn and plain and slow and "1RW" not in ports and _within_64_bits(plan)


def _within_64_bits(plan: SegmentPlan) -> bool:
    moves = (
        spill.bits * max(1, op.rows * op.columns * op.repeats)
        for op in plan.ops
        for spill in (*op.loads, *op.stores, *op.entry_stores)
    )
    return max(moves, default=0) < _MOST_PRODUCT and plan.traffic_bits < _MOST_RATE


def play_serial(
    plan: SegmentPlan, chip: AcceleratorSpec, timing: Sequence[MediumTiming], every_tile: bool
) -> EventLog | None:
    """Event log of a serial segment; None where it gets stuck. `timing` is of the plan's media."""
    tables = _Tables(plan, chip, [medium.medium for medium in timing])
    segment = tables.segment()
    world = _world(plan, chip, timing, tables, every_tile)
    rows = play(segment, world)
    if not world.state["ended"]:
        return None
    return EventLog.of_rows(
        plan.label, int(world.state["now"]), rows, tables.units, tables.actions,
        [op.name for op in plan.ops],
    )  # fmt: skip


def _world(
    plan: SegmentPlan, chip: AcceleratorSpec, timing: Sequence[MediumTiming], tables: _Tables,
    every_tile: bool,
) -> at.World:  # fmt: skip
    """What the clients find before the first tick; the kernel adds steps and log."""
    requests = _table(tables.rows["requests"], at.REQUEST)
    media = [(m.latency_ticks, m.bits_per_second or 0, m.port_bits, m.page_bits or 0)
             for m in timing]  # fmt: skip
    wake = np.zeros(at.NUM_CLIENTS, at.WAKE)
    wake["tick"] = at.IDLE
    return at.World(
        state=_state(plan, chip, every_tile), steps=np.empty(0, at.STEP), requests=requests,
        media=_table(media, at.MEDIUM), channels=np.zeros(len(media), at.CHANNEL), wake=wake,
        tiles=np.zeros(STATE_SIZE, dtype=np.int64),
        log=np.empty(0, at.LOG_ROW),
    )  # fmt: skip


def _state(plan: SegmentPlan, chip: AcceleratorSpec, every_tile: bool) -> np.void:
    pu = chip.pu
    state: np.void = np.zeros(1, at.STATE)[0]
    state["period"] = period_ticks(chip.clock.frequency_hz)
    state["vector_size"] = pu.vector_size
    state["drain_cycles"] = ceil_div(pu.vector_size, pu.drain_vectors_per_cycle)
    state["operand_buffers"] = pu.operand_tile_buffers
    state["accumulators"] = pu.accumulator_buffers
    state["pu_fill"] = pu.pipeline_fill_cycles
    state["skip"] = not every_tile
    state["free_slots"] = plan.stream_slots
    state["awaited_chunk"] = at.IDLE
    return state


class _Tables:
    """Rows of every table of one segment."""

    def __init__(self, plan: SegmentPlan, chip: AcceleratorSpec, media: Sequence[str]) -> None:
        self.plan, self.chip = plan, chip
        self.media = {name: number for number, name in enumerate(media)}
        self.units = {name: i for i, name in enumerate((*at.UNIT_NAMES, *media))}
        self.actions = {name: i for i, name in enumerate(at.ACTION_NAMES)}
        self.element_bits = format_bits(chip.pu.number_format)
        self.shares: dict[tuple[str, str, str], int] = {}
        self.rows: dict[str, list[Any]] = {name: [] for name in _RANGES.values()}

    def segment(self) -> at.Segment:
        """What the steps are made from."""
        ops = [self._op(number, op) for number, op in enumerate(self.plan.ops)]
        ops.append((0,) * 11 + self._places())
        rows = self.rows
        return at.Segment(
            figures=self._figures(), ops=_table(ops, at.OP),
            chunks=np.array(rows["chunks"], dtype=np.int64),
            blocks=np.array(rows["blocks"], dtype=np.int64),
            entries=_table(rows["entries"], at.SPILL), loads=_table(rows["loads"], at.SPILL),
            stores=_table(rows["stores"], at.SPILL), counts=_table(rows["counts"], at.COUNT),
            reads=_table(rows["reads"], at.ROW_READ),
            shares=np.zeros(len(self.shares), dtype=np.int64), steps=np.empty(0, at.STEP),
        )  # fmt: skip

    def _figures(self) -> np.void:
        host = self.chip.host
        row = (
            self.chip.pu.vector_size, self.chip.sfu.pipeline_fill_cycles, host.config_write_cycles,
            host.pu_config_writes, host.sfu_config_writes, host.pu_interrupt_cycles,
            host.sfu_interrupt_cycles,
        )  # fmt: skip
        figures: np.void = _table([row], at.FIGURES)[0]
        return figures

    def _places(self) -> tuple[int, ...]:
        """First row of the next op in every table."""
        return tuple(len(self.rows[name]) for name in _RANGES.values())

    def _op(self, number: int, op: PlannedOp) -> tuple[int, ...]:
        places = self._places()
        rows, media = self.rows, self.media
        if op.parameter_bits:
            rows["requests"].append((number, media[op.medium], op.parameter_bits))
        if op.chunks:
            medium = media[op.medium]
            stream = [(number, medium, chunk.stored_bits) for chunk in op.chunks]
            rows["requests"].extend(stream * op.weight_passes)
            rows["chunks"].extend(chunk.column_tiles for chunk in op.chunks)
        rows["blocks"].extend(op.row_blocks)
        rows["entries"].extend(self._move(op, spill) for spill in op.entry_stores)
        rows["loads"].extend(self._move(op, spill) for spill in op.loads)
        rows["stores"].extend(self._move(op, spill) for spill in op.stores)
        rows["counts"].extend(self._count(count) for count in self._counts(op))
        if op.table:
            reads = self.plan.embedding_reads
            rows["reads"].extend((media[r.medium], r.bits) for r in reads if r.table == op.table)
        passes = op.loads[0].passes if op.loads else 1
        return (
            _UNITS.get(op.unit, at.ON_SFU), op.rows, op.reduction, op.columns, op.repeats,
            _ORDERS.get(op.order, at.RESIDENT), passes, op.parameter_bits > 0,
            op.kind == "embedding", self._cycles(op), op.rows * op.reduction * op.repeats, *places,
        )  # fmt: skip

    def _count(self, count: Count) -> tuple[int, int, int, int]:
        action = self.actions.setdefault(count.action, len(self.actions))
        return self.units[count.unit], action, count.count, count.bits

    def _move(self, op: PlannedOp, spill: Spill) -> tuple[int, int, int]:
        share = self.shares.setdefault((op.name, op.kind, spill.tensor), len(self.shares))
        return self.media[spill.medium], spill.bits, share

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


def _table(rows: Sequence[tuple[Any, ...]], dtype: np.dtype[Any]) -> NDArray[np.void]:
    """Rows of int64 fields as an array of records."""
    flat = np.array(rows, dtype=np.int64).reshape(len(rows), len(dtype.names or ()))
    return flat.view(dtype).reshape(len(rows))
