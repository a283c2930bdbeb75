"""Rounding many float32 values through a table of their upper bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.numerics import kernels

FLOAT32_FRACTION_BITS = 23
SMALLEST_SIZE = 1 << 17
"""Below this many values the table costs more than it saves."""


def applies(values: NDArray[Any], border_bits: int) -> bool:
    """Whether a table of this many mantissa bits is small beside the values."""
    return bool(values.dtype == np.float32 and values.size >= SMALLEST_SIZE and border_bits <= 8)


def look_up(
    values: NDArray[Any], border_bits: int, function: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """`function` of finite float32 values, for one that steps only at borders of few bits.

    The function must be constant between neighbouring borders that have at most `border_bits`
    mantissa bits each. Then sign, exponent, that many mantissa bits and whether anything is below
    them decide its value; it is evaluated once for each such pattern.
    """
    drop = FLOAT32_FRACTION_BITS - border_bits
    upper = np.arange(1 << (32 - drop), dtype=np.uint32) << np.uint32(drop)
    patterns = np.repeat(upper, 2)
    patterns[1::2] |= np.uint32(1)
    one_each = patterns.view(np.float32)
    table = function(np.where(np.isfinite(one_each), one_each, np.float32(0)))
    flat = np.ascontiguousarray(values).reshape(-1)
    out = np.empty(flat.shape, dtype=table.dtype)
    kernels.look_up(flat.view(np.int32), out, table, drop)
    return out.reshape(values.shape)
