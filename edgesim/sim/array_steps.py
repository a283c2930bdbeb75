"""The steps of one command on the MAC array: blocks of rows against chunks of weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from operator import sub

from edgesim.hw.spec import PuSpec
from edgesim.ir.plan import PlannedOp
from edgesim.sim import steps as at
from edgesim.sim.step_writer import Number, StepWriter, one_or_all
from edgesim.units import ceil_div


def write_product(
    write: StepWriter, pu: PuSpec, number: int, op: PlannedOp, first_fetch: int, heads: range
) -> None:
    """Write op `number` of a segment, whose weights are the stream's fetches from `first_fetch`.

    Several heads are written as one, in a part that is repeated head by head.
    """
    product = _Product(write, pu.vector_size, number, op, first_fetch)
    write.step(at.BEGIN_PRODUCT)
    if not op.chunks:
        product.without_weights(heads)
    elif op.order == "weight_blocked":
        product.weight_blocked()
    else:
        product.streamed()
    write.step(at.DRAIN)
    write.event(at.ARRAY_BUSY, at.PU_UNIT, at.BUSY, number)
    if op.stores:
        write.step(at.AWAIT_STORE)


class _Product:
    def __init__(
        self, write: StepWriter, vector_size: int, number: int, op: PlannedOp, first_fetch: int
    ) -> None:
        self.write, self.vector_size, self.number, self.op = write, vector_size, number, op
        self.first_fetch, self.holds = first_fetch, write.port0 | write.port1
        self.column_tiles = [chunk.column_tiles for chunk in op.chunks]

    def without_weights(self, heads: range) -> None:
        """Both operands are on chip: attention scores and context."""
        op, n, write = self.op, self.vector_size, self.write
        pieces = op.pieces(n, heads[0])
        self._loads([1] * len(heads), op.repeats)
        outputs = [ceil_div(piece.rows, n) * ceil_div(piece.columns, n) for piece in pieces]
        depths = [ceil_div(piece.reduction, n) for piece in pieces]
        stored = [piece.rows * op.columns for piece in pieces]
        if len(pieces) == 1:
            self._tiles(outputs[0], depths[0])
            self._stores(stored * len(heads))
        else:
            write.begin_repeated()
            self._tiles(outputs, depths)
            self._stores(stored)
            write.repeat(len(pieces))

    def streamed(self) -> None:
        """Every chunk of weights against a block of rows, then the next block."""
        op, write = self.op, self.write
        first, count = self.first_fetch, len(op.chunks)
        for rows in op.row_blocks:
            self._loads([rows], op.rows)
            write.begin_repeated()
            write.step(at.AWAIT_FETCH, range(first, first + count))
            self._chunks(rows, 0, count, at.GIVE_SLOT)
            write.repeat(count)
            first += count if op.order == "row_blocked" else 0

    def weight_blocked(self) -> None:
        """Weights in resident groups; the rows pass by once per group."""
        op, write = self.op, self.write
        passes = op.loads[0].passes if op.loads else 1
        group = ceil_div(len(op.chunks), passes)
        for first in range(0, len(op.chunks), group):
            stop = min(first + group, len(op.chunks))
            for number in range(first, stop):
                write.step(at.AWAIT_FETCH, self.first_fetch + number)
                write.step(at.GIVE_SLOT)
            for rows in op.row_blocks:
                self._loads([rows], op.rows)
                write.begin_repeated()
                self._chunks(rows, first, stop)
                write.repeat(stop - first)

    def _chunks(self, rows: int, first: int, stop: int, then: int | None = None) -> None:
        """A block of rows against each of some chunks of weights, in a part that is repeated."""
        row_tiles = ceil_div(rows, self.vector_size)
        outputs = [row_tiles * tiles for tiles in self.column_tiles[first:stop]]
        self._tiles(outputs, ceil_div(self.op.reduction, self.vector_size))
        if then is not None:
            self.write.step(then)
        if self.op.stores:
            self._stores([rows * columns for columns in self._columns[first:stop]])

    @cached_property
    def _columns(self) -> list[int]:
        """Output columns of every chunk, without those that pad the last tile."""
        stops = accumulate(self.column_tiles, initial=0)
        ends = [min(stop * self.vector_size, self.op.columns) for stop in stops]
        return list(map(sub, ends[1:], ends))

    def _tiles(self, outputs: Number, depth: Number) -> None:
        self.write.step(at.TILES, outputs, depth, 0, self.holds)
        self.write.event(at.ARRAY_BUSY, at.PU_UNIT, at.BUSY, self.number)

    def _loads(self, parts: Sequence[int], whole: int) -> None:
        """A share of every spilled input: of one block, or one in each repetition."""
        for spill in self.op.loads:
            bits = self.write.shares(spill, parts, whole)
            self.write.spill(at.MOVE, self.number, spill, at.READ, one_or_all(bits))

    def _stores(self, elements: Sequence[int]) -> None:
        """The same of every spilled output; one store may be under way."""
        op = self.op
        for spill in op.stores:
            bits = self.write.shares(spill, elements, op.rows * op.columns * op.repeats)
            self.write.spill(at.STORE, self.number, spill, at.WRITE, one_or_all(bits))
