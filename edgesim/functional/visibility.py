"""Which keys a query sees: no padding, and what the span of its head reaches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.functional.batch import Batch
from edgesim.ir.ops import AttentionScores

Visible = NDArray[np.bool_]


def visible_keys(op: AttentionScores, batch: Batch) -> Visible | None:
    """(sentences or 1, heads or 1, queries or 1, keys); None where every key is seen.

    Token i sees token j where |i - j| < span; a head at 0 sees nothing.
    """
    masks = []
    if batch.is_padded:
        masks.append(batch.present[:, np.newaxis, np.newaxis, :])
    if any(span is not None for span in op.spans):
        masks.append(_within_span(op, batch.token_ids.shape[1])[np.newaxis])
    if not masks:
        return None
    return masks[0] if len(masks) == 1 else masks[0] & masks[1]


def _within_span(op: AttentionScores, length: int) -> Visible:
    if len(op.spans) != op.num_heads or any(span is not None and span < 0 for span in op.spans):
        raise InputError(
            f"op {op.name!r}: spans {op.spans} for {op.num_heads} heads; allowed is one per head, "
            "a whole number from 0 up or None"
        )
    place = np.arange(length)
    distance = np.abs(place[:, np.newaxis] - place)
    reach = np.array([length if span is None else span for span in op.spans])
    return np.asarray(distance < reach[:, np.newaxis, np.newaxis])
