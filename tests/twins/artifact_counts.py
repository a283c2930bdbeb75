"""Access counts of one product command on the artifact, from the masks of its operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError


@dataclass(frozen=True)
class ProductCounts:
    """What one product command reads and multiplies."""

    bank_reads: int
    """Bytes read from data banks, one per set mask bit of every vector fetched."""
    mask_reads: int
    """Masks read, both memories."""
    dot_products: int
    """Dot products of length n executed; one is gated when either vector is all zero."""
    possible_dot_products: int
    """The same without gating."""
    output_vectors: int
    """Vectors of n results written back."""


def matmul_counts(left: NDArray[np.bool_], right: NDArray[np.bool_], n: int) -> ProductCounts:
    """Counts of out = left · rightᵀ from the non-zero masks, rows × reduction each.

    Rows and reduction must be multiples of n. The left block of a tile row is read again for
    every column tile and the whole right operand for every row tile (no operand stationarity).
    """
    for name, mask in (("left", left), ("right", right)):
        if mask.ndim != 2 or mask.shape[0] % n or mask.shape[1] % n or mask.size == 0:
            raise InputError(f"{name} mask of shape {mask.shape}; give multiples of {n}")
    if left.shape[1] != right.shape[1]:
        raise InputError(f"reductions {left.shape[1]} and {right.shape[1]} differ; make them equal")
    row_tiles, column_tiles = left.shape[0] // n, right.shape[0] // n
    reduction_tiles = left.shape[1] // n
    left_vectors = left.reshape(-1, reduction_tiles, n).any(axis=2).sum(axis=0, dtype=np.int64)
    right_vectors = right.reshape(-1, reduction_tiles, n).any(axis=2).sum(axis=0, dtype=np.int64)
    reads = int(left.sum()) * column_tiles + int(right.sum()) * row_tiles
    outputs = row_tiles * column_tiles * n
    return ProductCounts(
        bank_reads=reads,
        mask_reads=2 * outputs * reduction_tiles,
        dot_products=int(left_vectors @ right_vectors),
        possible_dot_products=outputs * reduction_tiles * n,
        output_vectors=outputs,
    )
