"""Packed weights read back without numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.faults import StoredTensor


def unpack_plainly(
    stored: StoredTensor, rows: NDArray[Any], mask: NDArray[np.uint8]
) -> NDArray[Any]:
    """Codes of all blocks in scan order (vectors, n), as `unpack` reads them."""
    if not stored.layout.masked:
        return rows
    out = np.zeros_like(stored.scanned)
    for block in range(stored.layout.num_blocks):
        vectors = slice(*stored.layout.block_starts[block : block + 2])
        first, stop = stored.row_starts[block : block + 2]
        bits = mask[vectors] != 0
        row = first + np.cumsum(bits, axis=0) - bits
        read = bits & (row < stop)
        lanes = np.broadcast_to(np.arange(bits.shape[1]), bits.shape)
        out[vectors][read] = rows[row[read], lanes[read]]
    return out
