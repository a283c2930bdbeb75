"""The exit predictor of a zoo model, fitted on the entropies of its selection slice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgesim.compress.recipe import load_recipe
from edgesim.compress.record import record
from edgesim.compress.text import LabelledText, read_tsv
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError
from edgesim.ir.predictor import MIN_SENTENCES, ExitPredictor
from edgesim.ir.workload import Workload

SELECTION_WORKLOAD = "selection_workload.npz"
SELECTION_ROWS = "selection_rows.txt"
DEV_WORKLOAD = "dev_workload.npz"


def fit_exit_predictor(folder: Path, data_dir: Path) -> Workload:
    """Record the selection slice of a zoo model from DATA/task/train.tsv and fit its predictor.

    Writes both into the folder, and the predictor into its recorded dev workload. Raises
    InputError for missing text or row numbers that the text does not have.
    """
    task = load_recipe(folder / "recipe.yaml").task.name
    train = read_tsv(data_dir / task / "train.tsv")
    rows = _selection_rows(folder / SELECTION_ROWS)
    if rows.max(initial=0) >= len(train):
        raise InputError(
            f"{folder / SELECTION_ROWS}: row {int(rows.max())} of {len(train)} rows of "
            f"{data_dir / task / 'train.tsv'}; this is not the text that the model was trained on"
        )
    return store_selection(folder, train.take(rows), task)


def store_selection(folder: Path, selection: LabelledText, task: str) -> Workload:
    """Record the slice with the stored weights, fit the predictor and store both."""
    config = load_zoo_config(folder)
    recorded = record(
        load_zoo_model(folder), load_zoo_tokenizer(folder), selection, name=f"{task} selection",
        max_tokens=config.max_tokens, model_name=config.name,
    )  # fmt: skip
    if len(recorded) < MIN_SENTENCES or recorded.entropies is None:
        return recorded
    origin = f"{len(recorded)} sentences of {recorded.name}, {config.name}"
    predictor = ExitPredictor.fit(recorded.entropies, origin)
    found = replace(recorded, predictor=predictor)
    found.save(folder / SELECTION_WORKLOAD)
    dev = folder / DEV_WORKLOAD
    if dev.is_file():
        replace(Workload.load(dev), predictor=predictor).save(dev)
    return found


def _selection_rows(path: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    try:
        return np.array(path.read_text(encoding="utf-8").split(), dtype=np.int64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no list of row numbers ({error}); restore the file") from None
