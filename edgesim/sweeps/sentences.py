"""A part of a workload that keeps its spread of lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgesim.errors import InputError
from edgesim.ir.workload import Workload


def spread_subset(workload: Workload, count: int) -> Workload:
    """`count` sentences at even steps through the workload sorted by length, in their own order.

    Neither exits nor labels choose. Raises InputError for more sentences than there are.
    """
    total = len(workload)
    if count > total:
        raise InputError(f"sentences: got {count}; workload {workload.name!r} has {total}")
    by_length = np.argsort(workload.num_tokens, kind="stable")
    steps = ((np.arange(count) + 0.5) * total / count).astype(np.int64)
    rows = np.sort(by_length[steps])

    def picked(column: object) -> object:
        if column is None:
            return None
        if isinstance(column, tuple):
            return tuple(column[row] for row in rows) if column else ()
        return column[rows]  # type: ignore[index]

    names = ("num_tokens", "entropies", "logits", "labels", "token_ids", "sentence_hashes")
    parts = {name: picked(getattr(workload, name)) for name in names}
    return replace(workload, name=f"{workload.name} ({count} of {total})", **parts)  # type: ignore[arg-type]
