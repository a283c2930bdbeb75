"""Embedding tables in storage: pruned rows behind pointers, most frequent rows first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.plan import EmbeddingRead
from edgesim.units import ceil_div


@dataclass(frozen=True, eq=False)
class StoredTable:
    """One embedding table packed per lane in blocks of rows, in placement order.

    A row is read through its block's pointer (one offset per lane), a scan of the masks before it
    in the block, its own mask, and its packed data (the fullest lane of the row).
    """

    name: str
    block_bits: NDArray[np.int64]
    """Stored bits of each block, pointer included."""
    rank_of_row: NDArray[np.int64]
    """Position of each row in placement order."""
    row_read_bits: NDArray[np.int64]
    """Bits moved to read a row, by row number."""
    rows_per_block: int

    @cached_property
    def stored_bits(self) -> int:
        """Bits of the whole table."""
        return int(self.block_bits.sum())

    def first_rows(self, count: int) -> NDArray[np.int64]:
        """The first rows in placement order, at most `count`."""
        found = np.flatnonzero(self.rank_of_row < count)
        return found[np.argsort(self.rank_of_row[found])]


def stored_table(
    name: str, lanes_of_row: NDArray[np.int64], width: int, order: NDArray[np.int64],
    element_bits: int, rows_per_block: int, pointer_bits: int,
) -> StoredTable:  # fmt: skip
    """Pack a table from its non-zeros per row and lane, (rows, n).

    `width` is the elements of a row; `order` lists rows as they are placed.
    """
    rows, vector_size = lanes_of_row.shape
    vectors = ceil_div(width, vector_size)
    lanes = lanes_of_row[order]
    num_blocks = ceil_div(rows, rows_per_block)
    starts = np.arange(num_blocks) * rows_per_block
    block_lanes = np.add.reduceat(lanes, starts, axis=0)
    block_rows = np.minimum(rows - starts, rows_per_block)
    mask_bits = vectors * vector_size
    pointer = vector_size * pointer_bits
    block_bits = (
        block_lanes.max(axis=1) * vector_size * element_bits + block_rows * mask_bits + pointer
    )
    rank_of_row = np.empty(rows, dtype=np.int64)
    rank_of_row[order] = np.arange(rows)
    in_block = np.arange(rows) % rows_per_block
    read_by_rank = (
        pointer + (in_block + 1) * mask_bits + lanes.max(axis=1) * vector_size * element_bits
    )
    return StoredTable(name, block_bits, rank_of_row, read_by_rank[rank_of_row], rows_per_block)


@dataclass(frozen=True, eq=False)
class PlacedTable:
    """A stored table spread over media: whole blocks, in order, each to the first with room."""

    table: StoredTable
    media: tuple[str, ...]
    first_blocks: tuple[int, ...]
    """Number of the first block in each medium; the last medium takes the rest."""

    def read(self, row: int) -> EmbeddingRead:
        """What reading a row moves, and from where."""
        return self.reads(np.array([row]))[0]

    def media_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices into `media` of the media that hold rows."""
        blocks = self.table.rank_of_row[rows] // self.table.rows_per_block
        return np.searchsorted(np.array(self.first_blocks), blocks, side="right") - 1

    def reads(self, rows: NDArray[np.int64]) -> list[EmbeddingRead]:
        """What reading rows one after another moves, and from where."""
        media = [self.media[index] for index in self.media_of(rows).tolist()]
        bits = self.table.row_read_bits[rows].tolist()
        return list(map(EmbeddingRead, media, repeat(self.table.name), bits))

    def reads_key(self, rows: NDArray[np.int64]) -> object:
        """What `reads` of rows depends on, as a hashable value that keeps the table alive."""
        return self.table, self.media, rows.tobytes(), self.media_of(rows).tobytes()

    def bits_in(self, index: int) -> int:
        """Stored bits in the medium of that index."""
        stops = (*self.first_blocks[1:], len(self.table.block_bits))
        return int(self.table.block_bits[self.first_blocks[index] : stops[index]].sum())


def place_table(
    table: StoredTable, media: tuple[str, ...], free_bits: dict[str, int]
) -> PlacedTable | int:
    """Spread a table over media, taking from `free_bits`; the missing bits if it does not fit."""
    first_blocks = []
    position = 0
    for medium in media:
        first_blocks.append(position)
        cumulative = np.cumsum(table.block_bits[position:])
        count = int(np.searchsorted(cumulative, free_bits[medium], side="right"))
        if count:
            free_bits[medium] -= int(cumulative[count - 1])
        position += count
    if position < len(table.block_bits):
        return int(table.block_bits[position:].sum())
    return PlacedTable(table, media, tuple(first_blocks))
