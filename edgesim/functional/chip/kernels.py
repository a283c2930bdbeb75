"""numba kernels of the sound arithmetic.

Operands, sums and words are whole numbers; they may come as float64, the arithmetic is int64.
"""

from __future__ import annotations

import numba as nb


@nb.njit(cache=True, nogil=True)
def accumulate_some(left, right, chosen, vector_size, lowest, highest, out):  # type: ignore[no-untyped-def]
    """left·rightᵀ at chosen (row, column) pairs into `out`; returns how many of them saturated.

    left (m, k) and right (n, k) are int64, chosen (pairs, 2). Each tile of `vector_size` products
    is summed exactly, then added to the accumulator, which stays within lowest … highest.
    """
    saturated = 0
    for pair in range(chosen.shape[0]):
        i, j = chosen[pair, 0], chosen[pair, 1]
        total, clipped = 0, False
        for begin in range(0, left.shape[1], vector_size):
            tile = 0
            for k in range(begin, min(begin + vector_size, left.shape[1])):
                tile += left[i, k] * right[j, k]
            total += tile
            if total > highest or total < lowest:
                clipped = True
                total = min(max(total, lowest), highest)
        out[i, j] = total
        saturated += clipped
    return saturated


@nb.njit(cache=True, nogil=True)
def interpolate(positions, entries, shift, out):  # type: ignore[no-untyped-def]
    """Table entries at whole positions in units of 2^-shift segments, rounded half up.

    Positions beyond the table give its first or last entry.
    """
    last = entries.size - 2
    half = (1 << shift) >> 1
    for i in range(positions.size):
        position = nb.int64(positions[i])
        segment = min(max(position >> shift, 0), last)
        inside = min(max(position - (segment << shift), 0), 1 << shift)
        rise = entries[segment + 1] - entries[segment]
        out[i] = entries[segment] + ((rise * inside + half) >> shift)
