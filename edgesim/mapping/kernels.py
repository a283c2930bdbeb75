"""numba kernels over packed bitmasks; `stored.column_tiles` is their twin on plain booleans."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(cache=True, nogil=True)
def count_tiles(packed, row_bytes, columns, vector_size, tile_columns, lanes, live):  # type: ignore[no-untyped-def]
    """Count non-zeros per lane and non-empty vectors per tile of `tile_columns` columns.

    `packed` holds `columns` rows of `row_bytes` bytes, first element in the highest bit; a row is
    a whole number of vectors and of bytes. `lanes` is (tiles, n) and `live` (tiles,), both zero.
    """
    group = max(1, vector_size // 8)
    per_byte = max(1, 8 // vector_size)
    width = min(vector_size, 8)
    bits = np.zeros(8 * group, dtype=np.int64)
    for column in range(columns):
        tile = column // tile_columns
        for slot in range(8 * group):
            bits[slot] = 0
        base = column * row_bytes
        for start in range(0, row_bytes, group):
            any_bits = nb.int64(0)
            for offset in range(group):
                byte = nb.int64(packed[base + start + offset])
                any_bits |= byte
                for bit in range(8):
                    bits[offset * 8 + bit] += (byte >> (7 - bit)) & 1
            if per_byte == 1:
                live[tile] += any_bits != 0
            else:
                for part in range(per_byte):
                    shifted = any_bits >> (8 - width * (part + 1))
                    live[tile] += (shifted & ((1 << width) - 1)) != 0
        for slot in range(8 * group):
            lanes[tile, slot % vector_size] += bits[slot]
