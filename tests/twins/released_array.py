"""The released MAC array step by step, every register cut to 16 bits."""

from __future__ import annotations

import numpy as np

from edgesim.functional.hls import codes, words
from edgesim.functional.hls.words import Integers


def accumulate_by_steps(a: Integers, b: Integers) -> Integers:
    """16-bit accumulators (m, n) of a·bᵀ for codes a (m, k) and b (n, k).

    Every product and every partial sum wraps at 16 bits.
    """
    left, right = codes.operands(a), codes.operands(b)
    total = np.zeros((len(a), len(b)), dtype=np.int64)
    for k in range(left.shape[1]):
        product = words.wrap(np.multiply.outer(left[:, k], right[:, k]), 16)
        total = words.wrap(total + product, 16)
    return total
