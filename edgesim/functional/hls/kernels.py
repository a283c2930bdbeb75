"""numba kernels of the released datapath; their twins are in `array`."""

from __future__ import annotations

import numba as nb


@nb.njit(cache=True, nogil=True)
def accumulate_int16(a, b, out):  # type: ignore[no-untyped-def]
    """a·bᵀ into `out`, int64 operands; products and partial sums are cut to 16 bits each."""
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            total = 0
            for k in range(a.shape[1]):
                product = ((a[i, k] * b[j, k] + 0x8000) & 0xFFFF) - 0x8000
                total = ((total + product + 0x8000) & 0xFFFF) - 0x8000
            out[i, j] = total
