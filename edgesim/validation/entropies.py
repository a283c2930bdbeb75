"""The EdgeBERT authors' entropies, as their release holds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
    forecasts = folder / PREDICTOR_NAME
    predictor = ExitPredictor.from_csv(forecasts) if forecasts.is_file() else None
    read = Workload.from_entropies(path, PADDED_TOKENS, predictor)
    assert read.entropies is not None
    if read.entropies.shape[1] != NUM_LAYERS:
        raise InputError(
            f"{path}: {read.entropies.shape[1]} columns; {NUM_LAYERS} columns of entropies are "
            "wanted"
        )
    return replace(read, name="EdgeBERT authors, SST-2 dev", model="ALBERT-base")
