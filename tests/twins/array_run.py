"""One command on the MAC array: blocks of rows against chunks of weights on the tile pipeline."""

from __future__ import annotations

import simpy

from edgesim.hw.spec import PuSpec
from edgesim.ir.plan import PlannedOp
from edgesim.sim import kernels
from edgesim.units import ceil_div
from twins.segment_state import Process, SegmentState


class ArrayRun:
    """One PU command: blocks of rows against chunks of weights on the tile pipeline."""

    def __init__(
        self, segment: SegmentState, pu: PuSpec, op: PlannedOp, repeat: int = 0,
        every_tile: bool = False,
    ) -> None:  # fmt: skip
        self.segment, self.pu, self.op, self.repeat = segment, pu, op, repeat
        self.every_tile = every_tile
        """Play the steady state of the tile pipeline too instead of skipping it."""
        self.start = int(segment.env.now)
        self.state = kernels.new_state()
        self.store: simpy.Event | None = None
        self.columns = _chunk_columns(op, pu.vector_size)

    def play(self, index: int) -> Process:
        segment, op = self.segment, self.op
        blocks = op.row_blocks
        if not op.chunks:
            yield from self._loads(1, op.repeats)
            for piece in op.pieces(self.pu.vector_size, self.repeat):
                tiles = ceil_div(piece.columns, self.pu.vector_size)
                yield from self._tiles(piece.rows, tiles, piece.reduction)
                yield from self._store_part(piece.rows * op.columns)
        elif op.order == "weight_blocked":
            yield from self._weight_blocked(index)
        else:
            for block, rows in enumerate(blocks):
                yield from self._loads(rows, op.rows)
                first = block * len(op.chunks) if op.order == "row_blocked" else 0
                for number in range(len(op.chunks)):
                    yield from self._arrival(index, first + number)
                    yield from self._tiles(rows, op.chunks[number].column_tiles)
                    segment.slots.give()
                    yield from self._store_part(rows * self.columns[number])
        yield from self._finish()

    def _arrival(self, index: int, number: int) -> Process:
        segment = self.segment
        event = segment.ready[index, number]
        yield from segment.wait(self.op.name, f"weight chunk {number}", event)

    def _weight_blocked(self, index: int) -> Process:
        """Weights in resident groups; the rows pass by once per group."""
        segment, op = self.segment, self.op
        passes = op.loads[0].passes if op.loads else 1
        group = ceil_div(len(op.chunks), passes)
        for first in range(0, len(op.chunks), group):
            members = range(first, min(first + group, len(op.chunks)))
            for number in members:
                yield from self._arrival(index, number)
                segment.slots.give()
            for rows in op.row_blocks:
                yield from self._loads(rows, op.rows)
                for number in members:
                    yield from self._tiles(rows, op.chunks[number].column_tiles)
                    yield from self._store_part(rows * self.columns[number])

    def _tiles(self, rows: int, column_tiles: int, reduction: int | None = None) -> Process:
        """Run the tile pipeline until the last operand of this piece is fetched."""
        work = self._run_tiles(rows, column_tiles, reduction or self.op.reduction)
        yield from self.segment.holding(("operand0", "operand1"), work)

    def _run_tiles(self, rows: int, column_tiles: int, reduction: int) -> Process:
        segment, pu = self.segment, self.pu
        n = pu.vector_size
        not_before = ceil_div(int(segment.env.now) - self.start, segment.period)
        kernels.advance_tiles(
            self.state, ceil_div(rows, n) * column_tiles, ceil_div(reduction, n), n, n,
            ceil_div(n, pu.drain_vectors_per_cycle), pu.operand_tile_buffers,
            pu.accumulator_buffers, not_before, not self.every_tile,
        )  # fmt: skip
        yield from self._until(int(self.state[kernels.LOAD_END]))

    def _until(self, cycle: int) -> Process:
        segment = self.segment
        begin = int(segment.env.now)
        end = self.start + cycle * segment.period
        if end > begin:
            yield segment.env.timeout(end - begin)
            cycles = (end - begin) // segment.period
            segment.recorder.add(begin, end, "pu", "busy", self.op.name, cycles, 0)

    def _finish(self) -> Process:
        """Let the last output tile drain; a store must have left before the interrupt."""
        fill = self.pu.pipeline_fill_cycles
        yield from self._until(int(self.state[kernels.DRAIN_END]) + fill)
        if self.store is not None:
            yield from self.segment.wait(self.op.name, "its last store", self.store)

    def _loads(self, part: int, whole: int) -> Process:
        """Bring this block's share of every spilled input."""
        for spill in self.op.loads:
            share = self.segment.share(self.op, spill, part, whole)
            yield from self.segment.spill(self.op, spill, "read", share)

    def _store_part(self, elements: int) -> Process:
        """Send this piece's share of a spilled output; one store may be under way."""
        op = self.op
        total = op.rows * op.columns * op.repeats
        for spill in op.stores:
            if self.store is not None:
                yield from self.segment.wait(op.name, "the store before", self.store)
            bits = self.segment.share(op, spill, elements, total)
            process = self.segment.spill(op, spill, "write", bits)
            self.store = self.segment.env.process(process)


def _chunk_columns(op: PlannedOp, vector_size: int) -> list[int]:
    """Output columns of every chunk, without those that pad the last tile."""
    left = op.columns
    columns = []
    for chunk in op.chunks:
        columns.append(min(chunk.column_tiles * vector_size, left))
        left -= columns[-1]
    return columns
