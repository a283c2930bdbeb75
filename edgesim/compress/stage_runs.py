"""Weights of a zoo model or a training stage of its recipe, and their answers to the dev rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesim.compress.altered_weights import SentenceRuns, labelled_runs
from edgesim.compress.assessment import EVALUATION_FILE, load_evaluation, read_predictions
from edgesim.compress.base import find_base
from edgesim.compress.build import load_stage
from edgesim.compress.files import file_sha256
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, load_recipe
from edgesim.compress.text import read_tsv
from edgesim.compress.zoo import load_zoo_model
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError


@dataclass(frozen=True, eq=False)
class SourceWeights:
    """A model's weights with their origin."""

    name: str
    sha256: str
    model: MultiExitClassifier
    notes: tuple[str, ...]

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """All parameters by name."""
        return {k: v.detach().numpy() for k, v in self.model.state_dict().items()}


def zoo_weights(folder: Path) -> SourceWeights:
    """The weights that the zoo stores; their own format rounds them without error."""
    config = load_zoo_config(folder)
    name = config.weight_format.number_format.name
    note = f"the stored weights are {name} values already, so that format errs by nothing on them"
    return SourceWeights(folder.name, config.weights.sha256, load_zoo_model(folder), (note,))


def stage_weights(folder: Path, work: Path, stage: str, base: Path | None) -> SourceWeights:
    """The weights as a finished stage of the folder's recipe left them in a work folder."""
    recipe = load_recipe(folder / "recipe.yaml")
    names = [known.name for known in recipe.stages]
    if stage not in names:
        raise InputError(f"stage {stage!r}: {recipe.name} has {', '.join(names)}")
    model = load_stage(recipe, stage, find_base(recipe.base, base), work)
    digest = file_sha256(work / f"{stage}.safetensors")
    return SourceWeights(
        f"{recipe.name}, stage {stage}", digest, model, _training_notes(recipe, work, stage)
    )


def _training_notes(recipe: Recipe, work: Path, stage: str) -> tuple[str, ...]:
    """The precision that the stage was trained in, and the recipe's where it is another."""
    wanted = next(known.precision for known in recipe.stages if known.name == stage)
    try:
        stages = json.loads((work / "recipe.json").read_text(encoding="utf-8"))["stages"]
        used = next(known["precision"] for known in stages if known["name"] == stage)
    except (OSError, ValueError, KeyError, StopIteration, TypeError):
        return ("the work folder does not say how the stage was trained",)
    if used == wanted:
        return (f"stage {stage} trained by the recipe, in {used}",)
    return (
        f"stage {stage} trained by the recipe but in {used}, where the recipe says {wanted}: not "
        "bit for bit the weights that the shipped model was compressed from",
    )


def dev_runs(folder: Path, model: MultiExitClassifier, data_dir: Path) -> SentenceRuns:
    """The model over DATA/task/dev.tsv."""
    path = data_dir / load_recipe(folder / "recipe.yaml").task.name / "dev.tsv"
    return labelled_runs(folder, model, read_tsv(path), str(path))


def agreement_note(folder: Path, runs: SentenceRuns) -> tuple[str, ...]:
    """How many answers agree with those that the dense model gave when the zoo was made."""
    if not (folder / EVALUATION_FILE).is_file():
        return ()
    stored = read_predictions(load_evaluation(folder))
    if stored is None or len(stored) != len(runs.labels):
        return ()
    same = int((runs.logits[:, -1].argmax(axis=-1) == stored).sum())
    right = int((stored == runs.labels).sum())
    return (
        f"answers agree with the dense model of the card on {same} of {len(stored)} rows (that one "
        f"got {right} right)",
    )
