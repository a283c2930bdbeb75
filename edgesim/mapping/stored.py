"""Stored form of weights: bitmask plus non-zeros packed per lane, counted on the real mask.

Non-zeros of lane i are packed in bank i, so stored rows are the maximum over lanes, not the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import WeightChunk
from edgesim.mapping import kernels
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


def packed_column_tiles(
    packed: NDArray[np.uint8], columns: int, reduction: int, vector_size: int
) -> ColumnTiles:
    """The same counts from a packed mask (`numpy.packbits` of (columns, reduction), row-major).

    Rows must be a whole number of vectors and of bytes.
    """
    tiles = ceil_div(columns, vector_size)
    lanes = np.zeros((tiles, vector_size), dtype=np.int64)
    live = np.zeros(tiles, dtype=np.int64)
    kernels.count_tiles(packed, reduction // 8, columns, vector_size, vector_size, lanes, live)
    return ColumnTiles(lanes, live, reduction, vector_size)


def dense_column_tiles(columns: int, reduction: int, vector_size: int) -> ColumnTiles:
    """The same counts of a matrix without zeros."""
    tiles, vectors = ceil_div(columns, vector_size), ceil_div(reduction, vector_size)
    filled = np.minimum(vector_size, columns - np.arange(tiles) * vector_size)
    per_lane = np.minimum(vectors, (reduction - np.arange(vector_size) - 1) // vector_size + 1)
    return ColumnTiles(
        np.outer(filled, per_lane), filled * vectors, vectors * vector_size, vector_size
    )


def weight_tiles(trace: OpTrace, name: str, vector_size: int) -> ColumnTiles:
    """Counts of a weight matrix of a trace, from its packed mask where its rows allow."""
    columns, reduction = trace.tensors[name].dims(0)
    packed = trace.masks.get(name)
    if packed is None:
        return dense_column_tiles(columns, reduction, vector_size)
    if reduction % max(8, vector_size):
        return column_tiles(trace.weight_mask(name), vector_size)
    return packed_column_tiles(packed, columns, reduction, vector_size)


def row_lanes(trace: OpTrace, name: str, vector_size: int) -> NDArray[np.int64]:
    """Non-zeros per row and lane of a table of a trace, (rows, n)."""
    rows, width = trace.tensors[name].dims(0)
    packed = trace.masks.get(name)
    if packed is not None and width % max(8, vector_size) == 0:
        lanes = np.zeros((rows, vector_size), dtype=np.int64)
        live = np.zeros(rows, dtype=np.int64)
        kernels.count_tiles(packed, width // 8, rows, vector_size, 1, lanes, live)
        return lanes
    return mask_lanes(trace.weight_mask(name), vector_size)


def mask_lanes(mask: NDArray[np.bool_], vector_size: int) -> NDArray[np.int64]:
    """Non-zeros per row and lane of a plain mask (rows, width), (rows, n)."""
    rows, width = mask.shape
    vectors = ceil_div(width, vector_size)
    padded = np.zeros((rows, vectors * vector_size), dtype=np.bool_)
    padded[:, :width] = mask
    lanes: NDArray[np.int64] = padded.reshape(rows, vectors, vector_size).sum(
        axis=1, dtype=np.int64
    )
    return lanes


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
