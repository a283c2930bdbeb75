"""numba kernels of the number formats; each has a numpy twin that a test runs against it."""

from __future__ import annotations

import numba as nb


@nb.njit(cache=True, nogil=True)
def adaptivfloat_quantize_f32(bits_in, bits_out, x, out, smallest, largest, drop):  # type: ignore[no-untyped-def]
    """Round float32 `x` to AdaptivFloat values in `out`; the int32 arrays alias the float ones.

    `drop` is the number of float32 mantissa bits that the format lacks (23 - m). Rounding is
    half-to-even on the mantissa, and its carry runs into the exponent field by itself.
    """
    half = smallest * 0.5
    keep = ~((1 << drop) - 1)
    bump = (1 << (drop - 1)) - 1
    for i in range(x.size):
        magnitude = abs(x[i])
        if magnitude < smallest:
            out[i] = smallest if magnitude >= half else 0.0
        elif magnitude >= largest:
            out[i] = largest
        else:
            pattern = nb.int64(bits_in[i]) & 0x7FFFFFFF
            odd = ((pattern >> drop) & 1) if drop < 23 else 1  # without mantissa bits 1.0 is odd
            bits_out[i] = (pattern + bump + odd) & keep
        if bits_in[i] < 0:
            out[i] = -out[i]
