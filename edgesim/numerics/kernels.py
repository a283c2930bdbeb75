"""numba kernels of the number formats; each has a numpy twin that a test runs against it.

The AdaptivFloat kernels take float32 or float64 rows as the integers of their bit patterns:
magnitudes order as their patterns do, and rounding a pattern carries into the exponent by itself.
The arithmetic is in the width of the patterns, so that it fills vector registers.
"""

from __future__ import annotations

import numba as nb

_ROUNDER = 6755399441055744.0
"""1.5·2^52: adding it to a float64 leaves no room for fractions, so it rounds half to even."""


@nb.njit(cache=True, nogil=True)
def row_largest(values, out):  # type: ignore[no-untyped-def]
    """max|x| of every row into `out` (rows,), NaN where a row holds one."""
    for row in range(values.shape[0]):
        largest = abs(values[row, 0])
        total = values[row, 0] * 0
        for i in range(values.shape[1]):
            largest = max(largest, abs(values[row, i]))
            total += values[row, i] * 0  # NaN for NaN and infinity, else 0
        out[row] = largest + total


@nb.njit(cache=True, nogil=True)
def adaptivfloat_quantize(patterns, out, bases, binades, mask, drop, fraction, odd_always):  # type: ignore[no-untyped-def]
    """Round rows of patterns to AdaptivFloat; `bases` (rows,) are the patterns of 2^bias.

    All arguments have the type of the patterns. `binades` is 2^e, `mask` cuts the sign off,
    `fraction` is the number of mantissa bits, `drop` how many of them go, `odd_always` 1 if none
    stay (1.0 then counts as odd).
    """
    zero = patterns.dtype.type(0)
    one = patterns.dtype.type(1)
    bump = (one << (drop - one)) - one
    for row in range(patterns.shape[0]):
        smallest = bases[row] + (one << drop)
        largest = bases[row] + (binades << fraction) - (one << drop)
        half = smallest - (one << fraction)
        for i in range(patterns.shape[1]):
            pattern = patterns[row, i]
            magnitude = pattern & mask
            odd = ((magnitude >> drop) & one) | odd_always
            rounded = ((magnitude + bump + odd) >> drop) << drop
            rounded = min(max(rounded, smallest), largest)
            rounded = rounded if magnitude >= half else zero
            out[row, i] = rounded | (pattern & ~mask)


@nb.njit(cache=True, nogil=True)
def adaptivfloat_encode(patterns, out, bases, binades, mask, drop, fraction, odd_always, sign):  # type: ignore[no-untyped-def]
    """Codes of rows of patterns: as `adaptivfloat_quantize`, then the fields above `bases`.

    `sign` is the sign bit of a code. Zeros of either sign become code 0.
    """
    zero = patterns.dtype.type(0)
    one = patterns.dtype.type(1)
    bump = (one << (drop - one)) - one
    for row in range(patterns.shape[0]):
        smallest = bases[row] + (one << drop)
        largest = bases[row] + (binades << fraction) - (one << drop)
        half = smallest - (one << fraction)
        base = bases[row] >> drop
        for i in range(patterns.shape[1]):
            pattern = patterns[row, i]
            magnitude = pattern & mask
            odd = ((magnitude >> drop) & one) | odd_always
            rounded = ((magnitude + bump + odd) >> drop) << drop
            rounded = min(max(rounded, smallest), largest)
            code = ((rounded >> drop) - base) | (sign if pattern < zero else zero)
            out[row, i] = code if magnitude >= half else zero


@nb.njit(cache=True, nogil=True)
def scaled_encode(values, out, scales, zeros, lowest, highest, mask):  # type: ignore[no-untyped-def]
    """Codes of rows: value / scale to the nearest level, half to even, plus zero point, clamped.

    `lowest` and `highest` bound the level with its zero point (whole numbers as float64, so that
    clamping before and after rounding is the same); `mask` cuts two's complement to the width.
    """
    for row in range(values.shape[0]):
        scale, zero = scales[row], zeros[row]
        low, high = lowest - zero, highest - zero
        for i in range(values.shape[1]):
            level = min(max(values[row, i] / scale, low), high)
            out[row, i] = nb.int64(((level + _ROUNDER) - _ROUNDER) + zero) & mask


@nb.njit(cache=True, nogil=True)
def scaled_quantize(values, out, scales, zeros, lowest, highest):  # type: ignore[no-untyped-def]
    """Rounded rows: as `scaled_encode`, times the scale again."""
    for row in range(values.shape[0]):
        scale, zero = scales[row], zeros[row]
        low, high = lowest - zero, highest - zero
        for i in range(values.shape[1]):
            level = min(max(values[row, i] / scale, low), high)
            out[row, i] = ((level + _ROUNDER) - _ROUNDER) * scale


@nb.njit(cache=True, nogil=True)
def ternary_encode(values, out, borders):  # type: ignore[no-untyped-def]
    """Codes 0, 1 or 3 of rows: 0 up to the border of the row, else by sign."""
    for row in range(values.shape[0]):
        border = borders[row]
        for i in range(values.shape[1]):
            value = values[row, i]
            out[row, i] = 1 if value > border else (3 if value < -border else 0)


@nb.njit(cache=True, nogil=True)
def look_up(patterns, out, table, drop):  # type: ignore[no-untyped-def]
    """Entries of `table` at the upper bits of float32 patterns and a bit for what is below."""
    low = (1 << drop) - 1
    for i in range(patterns.size):
        pattern = nb.int64(patterns[i]) & 0xFFFFFFFF
        index = ((pattern >> drop) << 1) | (1 if pattern & low else 0)
        out[i] = table[index]
