"""The EdgeBERT authors' entropies, as their release holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgesim.errors import InputError
from edgesim.ir.predictor import ExitPredictor
from edgesim.ir.workload import Workload

FILE_NAME = "dataset_sst2_eval.txt"
PREDICTOR_NAME = "sst2_lookup_table_opt.csv"
"""Forecasts that the release makes from the entropy behind layer 1."""
NEEDS_FORECASTS = f"needs --entropies DIR, the authors' released entropies and {PREDICTOR_NAME}"
NUM_LAYERS = 12
PADDED_TOKENS = 128
"""The paper pads every sentence to this; the file says nothing of their own lengths."""


def authors_workload(folder: Path) -> Workload:
    """The release's SST-2 dev sentences: entropies of 12 off-ramps, without labels or text.

    Its table of forecasts comes along where the folder holds it.

    Raises InputError where the folder holds no such file, or one of another form.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise InputError(
            f"{folder}: no {FILE_NAME}; it lies in sw/Entropy_LUT of github harvard-acc/EdgeBERT"
        )
    try:
        table = np.loadtxt(path, delimiter=",", dtype=np.float64, ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table of numbers: {error}") from None
    if table.shape[1] != NUM_LAYERS or not np.isfinite(table).all() or (table < 0).any():
        raise InputError(
            f"{path}: {table.shape[1]} columns; {NUM_LAYERS} columns of entropies, at least 0, are "
            "wanted"
        )
    tokens = np.full(len(table), PADDED_TOKENS, dtype=np.int64)
    forecasts = folder / PREDICTOR_NAME
    predictor = ExitPredictor.from_csv(forecasts) if forecasts.is_file() else None
    return Workload(
        "EdgeBERT authors, SST-2 dev", tokens, table, None, None, model="ALBERT-base",
        predictor=predictor,
    )  # fmt: skip
