"""Heads put side by side, with zeros where an output has columns of heads that are not there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.ops import AttentionContext


def side_by_side(op: AttentionContext, by_head: NDArray[Any]) -> NDArray[Any]:
    """(sentences, heads, S, head_size) as (sentences, S, columns of the op's output)."""
    count, _, length, size = by_head.shape
    if op.present:
        everything = np.zeros((count, len(op.present), length, size), dtype=by_head.dtype)
        everything[:, np.array(op.present)] = by_head
        by_head = everything
    return by_head.transpose(0, 2, 1, 3).reshape(count, length, -1)
