"""How often each token id occurs in a model's training rows: what embedding placement goes by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.storage import read_npz, write_npz

FILE_NAME = "token_counts.npz"
SCHEMA_VERSION = 1
_KIND = "token_counts"


def save_token_counts(path: Path, counts: NDArray[np.int64], name: str) -> None:
    """Write counts by token id, (vocab_size,), with the name of the rows they come from."""
    meta = {"kind": _KIND, "schema_version": SCHEMA_VERSION, "name": name}
    write_npz(path, meta, {"counts": counts.astype(np.int64)})


def load_token_counts(path: Path) -> NDArray[np.int64]:
    """Counts by token id, (vocab_size,); InputError for a missing, damaged or foreign file."""
    _, columns = read_npz(path, _KIND, SCHEMA_VERSION)
    counts = columns.get("counts")
    if counts is None or counts.ndim != 1 or (counts < 0).any():
        raise InputError(f"{path}: holds no vector of token counts; write it anew")
    return counts.astype(np.int64)
