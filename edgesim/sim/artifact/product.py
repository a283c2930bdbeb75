"""Cycles of one product command on the artifact."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from edgesim.errors import DeadlockError
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
