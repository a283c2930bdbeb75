"""The sound arithmetic of a chip without numba: saturating sums and tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.chip.products import Sums
from edgesim.functional.chip.tables import Table, Whole


def accumulate_plainly(
    left: NDArray[Any], right: NDArray[Any], num_bits: int, vector_size: int
) -> Sums:
    """`accumulate` of (m, k) and (n, k) in Python integers, tile by tile."""
    lowest, highest = -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1
    out = np.empty((len(left), len(right)))
    saturated = 0
    for i, row in enumerate(left.astype(np.int64).tolist()):
        for j, column in enumerate(right.astype(np.int64).tolist()):
            total, clipped = 0, False
            for begin in range(0, len(row), vector_size):
                tile = slice(begin, begin + vector_size)
                total += sum(a * b for a, b in zip(row[tile], column[tile], strict=True))
                clipped |= not lowest <= total <= highest
                total = min(max(total, lowest), highest)
            out[i, j] = total
            saturated += clipped
    return Sums(out, saturated)


def interpolate_plainly(table: Table, above: Whole, fraction_bits: int) -> Whole:
    """`Table.at` in numpy."""
    scale = 2 ** (fraction_bits - table.segments_per_unit_log2)
    position = above.astype(np.int64)
    segment = np.clip(position // scale, 0, len(table.entries) - 2)
    inside = np.clip(position - segment * scale, 0, scale)
    rise = table.entries[segment + 1] - table.entries[segment]
    results = table.entries[segment] + (2 * rise * inside + scale) // (2 * scale)
    return np.asarray(results, dtype=np.float64)
