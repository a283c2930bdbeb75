"""Operands of the artifact's products, counted per tile: what a block of tiles stores and holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.units import ceil_div


@dataclass(frozen=True, eq=False)
class Operand:
    """A matrix (rows, reduction) in tiles of n × n, the last reduction tile perhaps a bias."""

    nonzeros: NDArray[np.float64]
    """(row tiles, reduction tiles)."""
    live_vectors: NDArray[np.float64]
    """(row tiles, reduction tiles): vectors of n reduction elements that hold a non-zero."""
    lane_nonzeros: NDArray[np.int64] | None
    """(row tiles, reduction tiles, n) of a packed operand; None where zeros are stored too."""
    vector_size: int

    @property
    def tiles(self) -> int:
        """Tiles of n rows."""
        return int(self.nonzeros.shape[0])

    @property
    def reduction_tiles(self) -> int:
        """Tiles along the reduction."""
        return int(self.nonzeros.shape[1])

    def part(self, first: int, last: int) -> Operand:
        """The operand with reduction tiles `first` to `last`, exclusive."""
        lanes = None if self.lane_nonzeros is None else self.lane_nonzeros[:, first:last]
        return Operand(
            self.nonzeros[:, first:last], self.live_vectors[:, first:last], lanes, self.vector_size
        )

    def block_rows(self, size: int) -> NDArray[np.int64]:
        """Stored rows of every block of `size` row tiles: packed, the fullest lane; else all."""
        firsts = np.arange(0, self.tiles, size)
        if self.lane_nonzeros is None:
            return self.block_tiles(size) * (self.reduction_tiles * self.vector_size)
        lanes = np.add.reduceat(self.lane_nonzeros.sum(axis=1), firsts, axis=0)
        rows: NDArray[np.int64] = np.maximum(lanes.max(axis=1), 1)
        return rows

    def block_tiles(self, size: int) -> NDArray[np.int64]:
        """Row tiles of every block; the last may hold fewer."""
        firsts = np.arange(0, self.tiles, size)
        return np.minimum(size, self.tiles - firsts)

    def leaves_room_behind(self) -> bool:
        """Whether every row tile stores n rows in every lane, which n results can take over."""
        if self.lane_nonzeros is None:
            return True
        return bool(self.lane_nonzeros.sum(axis=1).min() >= self.vector_size)


def weight_operand(mask: NDArray[np.bool_], vector_size: int, with_bias: bool) -> Operand:
    """Packed operand of a weight's non-zero mask (columns, reduction).

    `with_bias` adds a reduction tile whose first lane holds the bias of every column.
    """
    n = vector_size
    tiles, depth = ceil_div(mask.shape[0], n), ceil_div(mask.shape[1], n)
    padded = np.zeros((tiles * n, (depth + with_bias) * n), dtype=np.bool_)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    if with_bias:
        padded[: mask.shape[0], depth * n] = True
    blocks = padded.reshape(tiles, n, depth + with_bias, n)
    lanes = blocks.sum(axis=1, dtype=np.int64)
    live = blocks.any(axis=3).sum(axis=1)
    return Operand(lanes.sum(axis=2).astype(np.float64), live.astype(np.float64), lanes, n)


def activation_operand(
    rows: int, reduction: int, vector_size: int, density: float, null_fraction: float,
    with_bias: bool,
) -> Operand:  # fmt: skip
    """Operand of an activation (rows, reduction), stored dense; zeros spread evenly.

    `with_bias` adds a reduction tile whose first lane holds a one for every row.
    """
    n = vector_size
    tiles, depth = ceil_div(rows, n), ceil_div(reduction, n)
    row_counts = np.minimum(n, rows - n * np.arange(tiles))
    widths = np.minimum(n, reduction - n * np.arange(depth))
    nonzeros = np.outer(row_counts, widths) * density
    live = np.outer(row_counts, np.ones(depth)) * (1 - null_fraction)
    if with_bias:
        nonzeros = np.column_stack((nonzeros, row_counts))
        live = np.column_stack((live, row_counts))
    return Operand(nonzeros.astype(np.float64), live.astype(np.float64), None, n)
