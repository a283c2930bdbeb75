"""What the released softmax reads when one operation spans several rows of packed data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.functional.hls import words

PASSES = 3
"""Times the softmax reads a row: maximum, sum, output."""
_RECORD_PERIOD = 4
"""The decoder's 2-bit pass counter is compared where it should be cleared, so it runs modulo 4."""


def read_by_softmax(x: ArrayLike, *, vector_size: int = words.VECTOR_SIZE) -> NDArray[np.uint8]:
    """Codes (3, rows, length) that the three passes of one softmax over `x` (rows, length) read.

    Non-zero codes are packed per lane and found by counting mask bits. After each pass the counters
    return to a recorded place, which should move on after passes 3, 6, 9, … but moves on after
    3, 7, 11, … (harvard-acc/EdgeBERT, hw/cmod/Decode_SMax). So the first two rows are read right
    and later ones get earlier rows' data under their own masks.
    """
    rows = words.codes(x, "read_by_softmax x")
    cut = words.vectors(np.atleast_2d(rows), vector_size, "read_by_softmax x")
    num_rows, num_vectors, _ = cut.shape
    lanes = [lane[lane != 0] for lane in cut.reshape(-1, vector_size).T]
    recorded = np.zeros(vector_size, dtype=np.int64)
    out = np.zeros((PASSES, num_rows, num_vectors, vector_size), dtype=np.uint8)
    for step in range(PASSES * num_rows):
        row, which = divmod(step, PASSES)
        used = (cut[row] != 0).sum(axis=0)
        for lane, packed in enumerate(lanes):
            given = packed[recorded[lane] : recorded[lane] + used[lane]]
            out[which, row, cut[row, :, lane] != 0, lane] = given
        if (step + 1) % _RECORD_PERIOD == _RECORD_PERIOD - 1:
            recorded += used
    length = np.atleast_2d(rows).shape[1]
    return out.reshape(PASSES, num_rows, -1)[..., :length]
