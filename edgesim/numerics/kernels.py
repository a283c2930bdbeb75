"""numba kernels of the number formats; each has a numpy twin that a test runs against it.

The AdaptivFloat kernels take float32 or float64 rows as the integers of their bit patterns:
magnitudes order as their patterns do, and rounding a pattern carries into the exponent by itself.
The arithmetic is in the width of the patterns, so that it fills vector registers.
"""

from __future__ import annotations

import numba as nb


@nb.njit(cache=True, nogil=True)
def adaptivfloat_quantize(patterns, out, limits, mask, drop, odd_always):  # type: ignore[no-untyped-def]
    """Round rows of patterns to AdaptivFloat; `limits` (rows, 3) is smallest/2, smallest, largest.

    All arguments have the type of the patterns. `mask` cuts the sign off, `drop` is the number of
    mantissa bits that go, `odd_always` 1 if none stay (1.0 then counts as odd).
    """
    zero = patterns.dtype.type(0)
    one = patterns.dtype.type(1)
    bump = (one << (drop - one)) - one
    for row in range(patterns.shape[0]):
        half, smallest, largest = limits[row, 0], limits[row, 1], limits[row, 2]
        for i in range(patterns.shape[1]):
            pattern = patterns[row, i]
            magnitude = pattern & mask
            odd = ((magnitude >> drop) & one) | odd_always
            rounded = ((magnitude + bump + odd) >> drop) << drop
            rounded = min(max(rounded, smallest), largest)
            rounded = rounded if magnitude >= half else zero
            out[row, i] = rounded | (pattern & ~mask)


@nb.njit(cache=True, nogil=True)
def adaptivfloat_encode(patterns, out, limits, bases, mask, drop, odd_always, sign):  # type: ignore[no-untyped-def]
    """Codes of rows of patterns: as `adaptivfloat_quantize`, then field = rounded >> drop - base.

    `bases` (rows,) is the exponent bias in pattern form, shifted to the fields; `sign` the sign
    bit of a code. Zeros of either sign become code 0.
    """
    zero = patterns.dtype.type(0)
    one = patterns.dtype.type(1)
    bump = (one << (drop - one)) - one
    for row in range(patterns.shape[0]):
        half, smallest, largest = limits[row, 0], limits[row, 1], limits[row, 2]
        base = bases[row]
        for i in range(patterns.shape[1]):
            pattern = patterns[row, i]
            magnitude = pattern & mask
            odd = ((magnitude >> drop) & one) | odd_always
            rounded = ((magnitude + bump + odd) >> drop) << drop
            rounded = min(max(rounded, smallest), largest)
            code = ((rounded >> drop) - base) | (sign if pattern < zero else zero)
            out[row, i] = code if magnitude >= half else zero


@nb.njit(cache=True, nogil=True)
def scaled_encode(values, out, scales, lowest, highest, mask):  # type: ignore[no-untyped-def]
    """Two's complement codes of rows of values divided by a scale per row, half to even, clamped.

    Adding 1.5·2^52 to a float64 leaves no room for fractions, so it rounds half to even.
    """
    shift = 6755399441055744.0
    for row in range(values.shape[0]):
        scale = scales[row]
        for i in range(values.shape[1]):
            level = min(max(values[row, i] / scale, lowest), highest)
            out[row, i] = nb.int64((level + shift) - shift) & mask
