"""From a recipe to trained weights: every stage in order, each kept in the work folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, Stage
from edgesim.compress.selection import SelectionSplit, split_selection
from edgesim.compress.text import LabelledText, load_tokenizer, read_tsv, tokenize
from edgesim.compress.training import StageRun, TrainingSet, ramp_logits
from edgesim.errors import InputError


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
    split = split_selection(
        train.sentences, recipe.task.num_selection, seed=recipe.task.selection_seed
    )
    return TaskData(train.take(split.training_rows), train.take(split.selection_rows), dev, split)


def base_model(recipe: Recipe, base: Path) -> MultiExitClassifier:
    """The base encoder with fresh off-ramps; embeddings frozen, no pooler."""
    torch.manual_seed(recipe.seed)
    transformers_logging.disable_progress_bar()
    encoder = AutoModel.from_pretrained(
        base, add_pooling_layer=False, attn_implementation="sdpa", local_files_only=True
    )
    model = MultiExitClassifier(encoder, recipe.task.num_labels, recipe.pooling)
    encoder.embeddings.requires_grad_(False)
    return model


def _save_whole(tensors: dict[str, torch.Tensor], path: Path) -> None:
    partial = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, partial)
    os.replace(partial, path)


def train_recipe(
    recipe: Recipe, data: TaskData, base: Path, work: Path, max_steps: int | None = None
) -> MultiExitClassifier:
    """Run every stage that the work folder does not hold yet; returns the final model.

    Work files: `<stage>.safetensors` (float32 weights as the forward uses them),
    `<stage>.checkpoint.safetensors` while a stage is under way.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(base / "tokenizer.json")
    tokenizer.enable_truncation(recipe.task.max_tokens)
    tokens = tokenize(tokenizer, data.train.sentences, recipe.task.max_tokens)
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
    recipe: Recipe, stage: Stage, base: Path, work: Path, tokens: list[np.ndarray]
) -> np.ndarray | None:
    """Final-ramp logits of the teacher stage over the training rows, cached on disk."""
    if stage.distil is None:
        return None
    weights = work / f"{stage.distil.teacher}.safetensors"
    if not weights.is_file():
        raise InputError(
            f"stage {stage.name}: teacher {stage.distil.teacher!r} is no earlier stage"
        )
    cache = work / f"{stage.distil.teacher}.logits.npy"
    if cache.is_file():
        cached: np.ndarray = np.load(cache, allow_pickle=False)
        if len(cached) == len(tokens):
            return cached
    teacher = base_model(recipe, base)
    teacher.load_state_dict(load_file(weights))
    logits = ramp_logits(teacher, tokens)[:, -1]
    np.save(cache, logits)
    return logits
