"""Weights of a zoo model, stored or from a training stage, and their answers to the dev rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from edgesim.compress.altered_weights import SentenceRuns, labelled_runs
from edgesim.compress.assessment import EVALUATION_FILE, load_evaluation, read_predictions
from edgesim.compress.base import find_base
from edgesim.compress.build import base_model
from edgesim.compress.files import file_sha256
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, load_recipe
from edgesim.compress.text import read_tsv
from edgesim.compress.zoo import build_model, load_zoo_model
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


def file_weights(folder: Path, path: Path) -> SourceWeights:
    """Weights in a safetensors file, such as a training stage leaves, for a folder's model."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: no readable safetensors file ({error})") from None
    model = build_model(load_zoo_config(folder), tensors, str(path))
    notes = _training_notes(load_recipe(folder / "recipe.yaml"), path)
    return SourceWeights(f"{folder.name}, {path.stem}", file_sha256(path), model, notes)


def base_weights(folder: Path, recipe: Recipe, base_dir: Path | None) -> SourceWeights:
    """The pretrained base of a folder's recipe with fresh off-ramps."""
    model = base_model(recipe, find_base(recipe.base, base_dir))
    name = f"{folder.name}, pretrained base"
    return SourceWeights(name, recipe.base.sha256, model, ("off-ramps are drawn from the seed",))


def _training_notes(recipe: Recipe, path: Path) -> tuple[str, ...]:
    """The precision that a stage's file was trained in, and the recipe's where it is another."""
    wanted = {stage.name: stage.precision for stage in recipe.stages}.get(path.stem)
    try:
        stages = json.loads(path.with_name("recipe.json").read_text(encoding="utf-8-sig"))["stages"]
        used = next(stage["precision"] for stage in stages if stage["name"] == path.stem)
    except (OSError, ValueError, KeyError, StopIteration, TypeError):
        return ("nothing beside the file says how its weights were trained",)
    if used == wanted:
        return (f"stage {path.stem} of the recipe, trained in {used}",)
    return (
        f"stage {path.stem} of the recipe, trained in {used} where the recipe says {wanted}: not "
        "bit for bit the weights that the shipped model was compressed from",
    )


def task_name(folder: Path) -> str:
    """The task of a zoo folder's recipe, such as `sst2`."""
    return load_recipe(folder / "recipe.yaml").task.name


def dev_runs(folder: Path, model: MultiExitClassifier, data_dir: Path) -> SentenceRuns:
    """The model over DATA/task/dev.tsv."""
    path = data_dir / task_name(folder) / "dev.tsv"
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
