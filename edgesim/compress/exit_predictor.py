"""The exit predictor of a zoo model, fitted on the entropies of its selection slice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgesim.compress.record import record
from edgesim.compress.stored_selection import stored_selection
from edgesim.compress.text import LabelledText
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.ir.predictor import MIN_SENTENCES, ExitPredictor
from edgesim.ir.workload import Workload

SELECTION_WORKLOAD = "selection_workload.npz"
DEV_WORKLOAD = "dev_workload.npz"


def fit_exit_predictor(folder: Path, data_dir: Path) -> Workload:
    """Record the selection slice of a zoo model from DATA/task/train.tsv and fit its predictor.

    Writes both into the folder, and the predictor into its recorded dev workload. Raises
    InputError for missing text or row numbers that the text does not have.
    """
    text, task = stored_selection(folder, data_dir)
    return store_selection(folder, text, task)


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
