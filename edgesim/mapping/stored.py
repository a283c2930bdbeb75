"""Stored form of weights: bitmask plus non-zeros packed per lane, counted on the real mask.

Non-zeros of lane i are packed in bank i, so stored rows are the maximum over lanes, not the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.plan import WeightChunk
from edgesim.units import ceil_div


@dataclass(frozen=True, eq=False)
class ColumnTiles:
    """Counts of a weight matrix (columns, reduction) per tile of n columns."""

    lane_nonzeros: NDArray[np.int64]
    """(column tiles, n): non-zeros per tile and lane."""
    live_vectors: NDArray[np.int64]
    """(column tiles,): vectors of n reduction elements that hold a non-zero."""
    vectors_per_tile: int
    """n columns × reduction tiles, padding included."""
    vector_size: int

    @property
    def nonzeros(self) -> int:
        """Non-zero elements of the matrix."""
        return int(self.lane_nonzeros.sum())

    def stored_rows(self) -> NDArray[np.int64]:
        """Packed rows per column tile: the fullest lane."""
        rows: NDArray[np.int64] = self.lane_nonzeros.max(axis=1)
        return rows


def column_tiles(mask: NDArray[np.bool_], vector_size: int) -> ColumnTiles:
    """Count a non-zero mask (columns, reduction), padded to whole tiles with zeros."""
    columns, reduction = mask.shape
    tiles, reduction_tiles = ceil_div(columns, vector_size), ceil_div(reduction, vector_size)
    padded = mask
    if (tiles * vector_size, reduction_tiles * vector_size) != mask.shape:
        padded = np.zeros((tiles * vector_size, reduction_tiles * vector_size), dtype=np.bool_)
        padded[:columns, :reduction] = mask
    blocks = padded.reshape(tiles, vector_size, reduction_tiles, vector_size)
    return ColumnTiles(
        lane_nonzeros=blocks.sum(axis=(1, 2), dtype=np.int64),
        live_vectors=blocks.any(axis=3).sum(axis=(1, 2), dtype=np.int64),
        vectors_per_tile=vector_size * reduction_tiles,
        vector_size=vector_size,
    )


def weight_chunks(
    tiles: ColumnTiles, element_bits: int, bias_bits: int, chunk_bits: int
) -> tuple[WeightChunk, ...]:
    """Cut a weight matrix into chunks of whole column tiles of at most `chunk_bits`.

    A tile that is larger than that makes a chunk of its own. `bias_bits` are the bits of one
    column's bias; a chunk's packed rows are the fullest lane over the whole chunk.
    """
    n = tiles.vector_size
    mask_bits = tiles.vectors_per_tile * n
    fixed = mask_bits + bias_bits * n
    chunks: list[WeightChunk] = []
    start = 0
    count = len(tiles.live_vectors)
    while start < count:
        lanes = np.zeros(n, dtype=np.int64)
        stop, stored = start, 0
        while stop < count:
            grown = lanes + tiles.lane_nonzeros[stop]
            bits = int(grown.max()) * n * element_bits + (stop - start + 1) * fixed
            if stop > start and bits > chunk_bits:
                break
            lanes, stored, stop = grown, bits, stop + 1
        chunks.append(
            WeightChunk(
                column_tiles=stop - start,
                stored_bits=stored,
                nonzeros=int(lanes.sum()),
                mask_bits=(stop - start) * mask_bits,
                live_vectors=int(tiles.live_vectors[start:stop].sum()),
            )
        )
        start = stop
    return tuple(chunks)
