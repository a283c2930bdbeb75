"""Cycles and access counts of one product command on the artifact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import DeadlockError, InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim.artifact.kernel import product_cycles
from edgesim.sim.artifact.parameters import PathParameters, path_parameters
from edgesim.sim.artifact.registers import check_product
from edgesim.units import ceil_div


def matmul_cycles(
    chip: AcceleratorSpec, rows: int, reduction: int, columns: int, destination: int = 0
) -> int:
    """Start command to interrupt of out[rows][columns], all sizes padded to whole tiles.

    `destination` is the memory (0 or 1) that takes the result. Raises InputError when the
    product is no single command.
    """
    n = chip.pu.vector_size
    row_tiles, reduction_tiles, column_tiles = (
        ceil_div(size, n) for size in (rows, reduction, columns)
    )
    check_product(chip, row_tiles * n, reduction_tiles * n, column_tiles * n)
    path = path_parameters(chip, destination)
    return path_cycles(path, row_tiles, reduction_tiles, column_tiles)


@lru_cache(maxsize=4096)
def path_cycles(
    path: PathParameters,
    row_tiles: int,
    reduction_tiles: int,
    column_tiles: int,
    skip: bool = True,
) -> int:
    """Start command to interrupt of whole tiles; `skip` jumps over repeating output tiles."""
    depths = (
        path.mask_arbiter_depth,
        path.data_arbiter_depth,
        path.decoder_arbiter_depth,
        path.writeback_arbiter_depth,
    )
    vectors = row_tiles * reduction_tiles * column_tiles * path.vector_size
    cycles = product_cycles(
        path.vector_size,
        row_tiles * column_tiles,
        reduction_tiles,
        np.array(depths, dtype=np.int64),
        path.separate_ports,
        path.drain_vectors_per_cycle,
        path.start_cycles,
        path.destination,
        skip,
        path.start_cycles + 1000 + 64 * vectors,
    )
    if cycles < 0:
        raise DeadlockError(f"artifact product {row_tiles}x{reduction_tiles}x{column_tiles} tiles")
    return int(cycles)


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
