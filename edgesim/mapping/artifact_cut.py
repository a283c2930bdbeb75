"""Cuts of a product into commands that the artifact holds, with the least storage traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.artifact_limits import ELEMENT_BITS, CommandLimits
from edgesim.mapping.artifact_operands import Operand
from edgesim.units import ceil_div

LOADS = ("axi_load_input", "axi_load_mask")
STORES = ("axi_store_input", "axi_store_mask")


@dataclass(frozen=True)
class ProductCut:
    """Blocks of row and column tiles, and what happens between their commands."""

    row_tiles: int
    column_tiles: int
    """Tiles of a block; the last block of either side may hold fewer."""
    destination: int
    """Memory that takes the results: 0 holds the right operand, 1 the left."""
    in_place: bool
    """Results overwrite the operand of that memory, each vector behind its only read."""
    rows_outside: bool
    """Loop order: all column blocks of a row block, or all row blocks of a column block."""
    traffic_bits: int
    """Bits moved by all commands: operands, masks, results."""
    num_commands: int


@dataclass(frozen=True)
class ResultUse:
    """How the result of a product is read, which decides what one store may cover.

    A store writes consecutive vectors: row tile by row tile of its block. In an operand of tiles
    these are consecutive only for a single row tile, or where the block is as wide as the operand.
    """

    by_hardware: bool = False
    """The next reader takes it as it lies; otherwise the host rewrites it."""
    whole_width: bool = True
    """The product makes all columns of what is read; a head makes some of them."""
    head_tiles: int = 0
    """Column tiles that the reader takes apart, head by head; 0 where it takes all together."""

    def allows(self, row_tiles: int, column_tiles: int, columns: int) -> bool:
        """Whether blocks of these tiles land where the reader looks for them."""
        if not self.by_hardware:
            return True
        if self.head_tiles and self.head_tiles % column_tiles:
            return False
        width = self.head_tiles or columns
        return row_tiles == 1 or (self.whole_width and column_tiles >= width)


def reduction_parts(
    left: Operand, right: Operand, limits: CommandLimits, use: ResultUse
) -> int | None:
    """Fewest equal parts of the reduction at which a single tile fits; None if none does."""
    depth, n = left.reduction_tiles, left.vector_size
    for parts in range(1, depth + 1):
        longest = ceil_div(depth, parts)
        whole = longest <= limits.reduction_tiles and longest * n <= limits.memory_vectors
        if whole and all(
            find_cut(left.part(*span), right.part(*span), limits, use) is not None
            for span in part_spans(depth, parts)
        ):
            return parts
    return None


def part_spans(depth: int, parts: int) -> list[tuple[int, int]]:
    """First and last reduction tile, exclusive, of every part."""
    edges = np.linspace(0, depth, parts + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def find_cut(
    left: Operand, right: Operand, limits: CommandLimits, use: ResultUse
) -> ProductCut | None:
    """The cut of least traffic, then of fewest commands; None where not one tile fits.

    Searched: blocks of row tiles × blocks of column tiles × destination memory × loop order.
    An operand stays in its memory over consecutive commands unless results overwrite it.
    """
    best: ProductCut | None = None
    left_blocks = [(size, _Blocks.of(left, size, limits)) for size in _block_sizes(left.tiles)]
    right_blocks = [(size, _Blocks.of(right, size, limits)) for size in _block_sizes(right.tiles)]
    for row_tiles, rows in left_blocks:
        for column_tiles, columns in right_blocks:
            if rows is None or columns is None:
                continue
            if not use.allows(row_tiles, column_tiles, right.tiles):
                continue
            outputs = row_tiles * column_tiles * left.vector_size
            for destination, in_place in _destinations(rows, columns, outputs, limits):
                cut = _costed(rows, columns, destination, in_place, limits)
                if best is None or _rank(cut) < _rank(best):
                    best = cut
    return best


def _rank(cut: ProductCut) -> tuple[int, int, int, int, bool]:
    return (
        cut.traffic_bits, cut.num_commands, cut.row_tiles, cut.destination, not cut.rows_outside,
    )  # fmt: skip


def _block_sizes(tiles: int) -> list[int]:
    """Block sizes that differ in their number of blocks, smallest of each."""
    return sorted({ceil_div(tiles, count) for count in range(1, tiles + 1)})


@dataclass(frozen=True, eq=False)
class _Blocks:
    """One operand in blocks of one size."""

    operand: Operand
    size: int
    vectors: int
    """Of the largest block."""
    rows: int
    """Stored rows of the fullest block."""
    load_bits: NDArray[np.int64]
    """Bits that loading each block moves: data and masks."""

    @classmethod
    def of(cls, operand: Operand, size: int, limits: CommandLimits) -> _Blocks | None:
        """The blocks, or None where one does not fit its memory or its transfers."""
        depth = operand.reduction_tiles * operand.vector_size
        vectors = size * depth
        if size > limits.outer_tiles or vectors > limits.memory_vectors:
            return None
        rows = operand.block_rows(size)
        if int(rows.max()) > limits.memory_vectors:
            return None
        data = limits.moved_rows[LOADS[0]][rows]
        masks = limits.moved_rows[LOADS[1]][operand.block_tiles(size) * depth]
        if data.min() < 0 or masks.min() < 0:
            return None
        bits = (data * ELEMENT_BITS + masks) * limits.vector_size
        return cls(operand, size, vectors, int(rows.max()), bits)


def transfer_bits(
    limits: CommandLimits, starts: tuple[str, str], rows: int, vectors: int
) -> int | None:
    """Bits of a data and a mask transfer together; None where one is no single command."""
    data = limits.transfer_rows(starts[0], rows)
    masks = limits.transfer_rows(starts[1], vectors)
    if data is None or masks is None:
        return None
    return (data * ELEMENT_BITS + masks) * limits.vector_size


def _destinations(
    rows: _Blocks, columns: _Blocks, outputs: int, limits: CommandLimits
) -> Iterator[tuple[int, bool]]:
    """Memories that can take the results, and whether they overwrite the operand there."""
    if transfer_bits(limits, STORES, outputs, outputs) is None:
        return
    for destination, own, other in ((0, columns, rows), (1, rows, columns)):
        if limits.result_base(own.vectors, own.rows, outputs) is not None:
            yield destination, False
        elif other.size == 1 and own.operand.leaves_room_behind():
            yield destination, True


def _costed(
    rows: _Blocks, columns: _Blocks, destination: int, in_place: bool, limits: CommandLimits
) -> ProductCut:
    """The cheaper loop order of a cut."""
    kept = [not (in_place and destination == memory) for memory in (0, 1)]
    num_rows, num_columns = len(rows.load_bits), len(columns.load_bits)
    row_bits, column_bits = int(rows.load_bits.sum()), int(columns.load_bits.sum())
    row_again = num_columns if num_columns > 1 else 1
    column_again = num_rows if num_rows > 1 else 1
    inner_columns = column_again if num_columns > 1 or not kept[0] else 1
    inner_rows = row_again if num_rows > 1 or not kept[1] else 1
    outside = row_bits * (1 if kept[1] else row_again) + column_bits * inner_columns
    inside = row_bits * inner_rows + column_bits * (1 if kept[0] else column_again)
    return ProductCut(
        rows.size, columns.size, destination, in_place, outside <= inside,
        min(outside, inside) + _result_bits(rows, columns, limits), num_rows * num_columns,
    )  # fmt: skip


def _result_bits(rows: _Blocks, columns: _Blocks, limits: CommandLimits) -> int:
    n = limits.vector_size
    outputs = np.outer(
        rows.operand.block_tiles(rows.size), columns.operand.block_tiles(columns.size)
    )
    sizes, counts = np.unique(outputs * n, return_counts=True)
    moved = [transfer_bits(limits, STORES, size, size) or 0 for size in sizes.tolist()]
    return int(np.dot(moved, counts))
