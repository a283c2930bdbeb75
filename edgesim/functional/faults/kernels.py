"""numba kernels that pack and unpack lanes."""

from __future__ import annotations

import numba as nb


@nb.njit(cache=True, nogil=True)
def pack(scanned, block_starts, row_starts, rows, mask):  # type: ignore[no-untyped-def]
    """Pack codes in scan order (vectors, n) lane by lane; zeros are left out.

    Fills `rows` (stored rows, n), given zero, and `mask` (vectors, n) with 0 and 1.
    """
    n = scanned.shape[1]
    for block in range(len(block_starts) - 1):
        for lane in range(n):
            row = row_starts[block]
            for vector in range(block_starts[block], block_starts[block + 1]):
                if scanned[vector, lane] != 0:
                    mask[vector, lane] = 1
                    rows[row, lane] = scanned[vector, lane]
                    row += 1


@nb.njit(cache=True, nogil=True)
def unpack(rows, mask, block_starts, row_starts, blocks, scanned):  # type: ignore[no-untyped-def]
    """Codes in scan order of the listed blocks, as a decoder reads them.

    A lane whose counter has passed the block's last row reads 0.
    """
    n = scanned.shape[1]
    for position in range(len(blocks)):
        block = blocks[position]
        for lane in range(n):
            row = row_starts[block]
            for vector in range(block_starts[block], block_starts[block + 1]):
                scanned[vector, lane] = 0
                if mask[vector, lane] != 0:
                    if row < row_starts[block + 1]:
                        scanned[vector, lane] = rows[row, lane]
                    row += 1
