"""From a recipe to trained weights: every stage in order, each kept in the work folder."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from edgesim.compress.files import write_whole
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, Stage
from edgesim.compress.selection import SelectionSplit, split_selection
from edgesim.compress.text import LabelledText, load_tokenizer, read_tsv, tokenize
from edgesim.compress.training import StageRun, TrainingSet, ramp_logits
from edgesim.errors import InputError

TRAINING_TASK = {"name", "num_labels", "max_tokens", "num_selection", "selection_seed"}
"""Settings of a task that the trained weights depend on."""


@dataclass(frozen=True)
class TaskData:
    """The rows of a task: training, selection slice and dev, with the split that made them."""

    train: LabelledText
    selection: LabelledText
    dev: LabelledText
    split: SelectionSplit


def load_task(recipe: Recipe, data_dir: Path) -> TaskData:
    """Read DATA/task/{train,dev}.tsv and split off the selection slice."""
    folder = data_dir / recipe.task.name
    train, dev = read_tsv(folder / "train.tsv"), read_tsv(folder / "dev.tsv")
    for name, text in (("train", train), ("dev", dev)):
        if text.labels is None:
            raise InputError(f"{folder / name}.tsv: no column 'label'; training needs labels")
    return split_task(recipe, train, dev)


def split_task(recipe: Recipe, train: LabelledText, dev: LabelledText) -> TaskData:
    """Split the selection slice off the training rows."""
    split = split_selection(
        train.sentences, recipe.task.num_selection, seed=recipe.task.selection_seed
    )
    return TaskData(train.take(split.training_rows), train.take(split.selection_rows), dev, split)


def base_model(recipe: Recipe, base: Path) -> MultiExitClassifier:
    """The base encoder with fresh off-ramps; embeddings frozen, no pooler."""
    torch.manual_seed(recipe.seed)
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # an unused pooler is no news
    try:
        encoder = AutoModel.from_pretrained(
            base, add_pooling_layer=False, attn_implementation="sdpa", local_files_only=True
        )
    finally:
        transformers_logging.set_verbosity(verbosity)
    model = MultiExitClassifier(encoder, recipe.task.num_labels, recipe.pooling)
    encoder.embeddings.requires_grad_(False)
    return model


def _save_whole(tensors: dict[str, torch.Tensor], path: Path) -> None:
    partial = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, partial)
    os.replace(partial, path)


def training_tokens(recipe: Recipe, data: TaskData, base: Path) -> list[NDArray[np.int64]]:
    """Token ids of the training rows, cut at the recipe's longest sentence."""
    tokenizer = load_tokenizer(base / "tokenizer.json")
    tokenizer.enable_truncation(recipe.task.max_tokens)
    return tokenize(tokenizer, data.train.sentences, recipe.task.max_tokens)


def load_stage(recipe: Recipe, stage: str, base: Path, work: Path) -> MultiExitClassifier:
    """The model as a finished stage left it in the work folder, in evaluation mode."""
    weights = work / f"{stage}.safetensors"
    if not weights.is_file():
        raise InputError(f"{weights}: stage {stage!r} has not been trained in this work folder")
    model = base_model(recipe, base)
    model.load_state_dict(load_file(weights))
    return model.eval()


def _claim(work: Path, recipe: Recipe) -> None:
    """Make the work folder this recipe's; InputError when it is that of another one."""
    work.mkdir(parents=True, exist_ok=True)
    settings = recipe.model_dump(include={"base": {"sha256"}, "task": TRAINING_TASK}) | {
        "pooling": recipe.pooling, "exits": recipe.exits, "seed": recipe.seed,
        "stages": [stage.model_dump() for stage in recipe.stages],
    }  # fmt: skip
    content = json.dumps(settings, indent=2).encode()
    owner = work / "recipe.json"
    if owner.is_file() and owner.read_bytes() != content:
        raise InputError(
            f"{work}: holds the work of another recipe or of an earlier version of "
            f"{recipe.name}; name another work folder or delete this one"
        )
    write_whole(owner, content)


def train_recipe(
    recipe: Recipe, data: TaskData, base: Path, work: Path, max_steps: int | None = None
) -> MultiExitClassifier:
    """Run every stage that the work folder does not hold yet; returns the final model.

    Work files: `<stage>.safetensors` (float32 weights as the forward uses them),
    `<stage>.checkpoint.safetensors` while a stage is under way.
    """
    _claim(work, recipe)
    torch.set_num_threads(1)
    tokens = training_tokens(recipe, data, base)
    assert data.train.labels is not None
    model = base_model(recipe, base)
    for index, stage in enumerate(recipe.stages):
        finished = work / f"{stage.name}.safetensors"
        if finished.is_file():
            model.load_state_dict(load_file(finished))
            continue
        rows = TrainingSet(tokens, data.train.labels, _teacher(recipe, stage, base, work, tokens))
        checkpoint = work / f"{stage.name}.checkpoint.safetensors"
        StageRun(
            model, stage, rows, seed=recipe.seed + index, checkpoint=checkpoint, max_steps=max_steps
        ).run()
        _save_whole(model.state_dict(), finished)
        checkpoint.unlink(missing_ok=True)
    return model.eval()


def _teacher(
    recipe: Recipe, stage: Stage, base: Path, work: Path, tokens: list[NDArray[np.int64]]
) -> NDArray[np.float32] | None:
    """Final-ramp logits of the teacher stage over the training rows, cached on disk."""
    if stage.distil is None:
        return None
    cache = work / f"{stage.distil.teacher}.logits.npy"
    if cache.is_file():
        cached: NDArray[np.float32] = np.load(cache, allow_pickle=False)
        if len(cached) == len(tokens):
            return cached
    teacher = load_stage(recipe, stage.distil.teacher, base, work)
    logits = ramp_logits(teacher, tokens)[:, -1]
    content = io.BytesIO()
    np.save(content, logits, allow_pickle=False)
    write_whole(cache, content.getvalue())
    return logits
