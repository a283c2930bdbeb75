"""From a recipe to trained weights: every stage in order, each kept in the work folder."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from edgesim.compress.albert import as_albert
from edgesim.compress.attention import use_edgesim_attention
from edgesim.compress.attention_span import HardSpan, attention_modules, set_spans
from edgesim.compress.checkpoint import RECIPE_KEY, load_tensors, save_tensors
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, Stage
from edgesim.compress.selection import SelectionSplit, split_selection
from edgesim.compress.text import LabelledText, load_tokenizer, read_tsv, tokenize
from edgesim.compress.training import StageRun, TrainingSet, ramp_logits, visited_rows
from edgesim.errors import InputError
from edgesim.whole_file import write_whole


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


def training_tokens(recipe: Recipe, data: TaskData, base: Path) -> list[NDArray[np.int64]]:
    """Token ids of the training rows, cut at the recipe's longest sentence."""
    tokenizer = load_tokenizer(base / "tokenizer.json")
    tokenizer.enable_truncation(recipe.task.max_tokens)
    return tokenize(tokenizer, data.train, recipe.task.max_tokens)


def load_stage(recipe: Recipe, stage: str, base: Path, work: Path) -> MultiExitClassifier:
    """The model as a finished stage left it in the work folder, in evaluation mode.

    Raises InputError when it is not there or was written by another recipe.
    """
    names = [s.name for s in recipe.stages]
    weights = work / f"{stage}.safetensors"
    if stage not in names or not weights.is_file():
        raise InputError(f"{weights}: stage {stage!r} has not been trained in this work folder")
    tensors, _ = load_tensors(weights, recipe.stage_hash(names.index(stage)))
    model = base_model(recipe, base)
    for earlier in recipe.stages[: names.index(stage) + 1]:
        if earlier.albert is not None:
            model = as_albert(model, earlier.albert)
    _restore_spans(model, tensors)
    model.load_state_dict(tensors)
    return model.eval()


def _restore_spans(model: MultiExitClassifier, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give the model the whole-token spans that the stored tensors hold."""
    stored = [
        tensors[f"{path}.span.tokens"]
        for path, _ in attention_modules(model)
        if f"{path}.span.tokens" in tensors
    ]
    if stored:
        set_spans(model, [HardSpan(tokens) for tokens in stored])
        use_edgesim_attention(model.encoder)


def train_recipe(
    recipe: Recipe, data: TaskData, base: Path, work: Path, max_steps: int | None = None
) -> MultiExitClassifier:
    """Run every stage behind the last one that the work folder holds; returns the final model.

    Work files: `<stage>.safetensors` (float32 weights as the forward uses them),
    `<stage>.checkpoint.safetensors` while a stage is under way, `<stage>.progress.tsv`. Each
    carries the hash of the recipe up to its stage, so that recipes with a common beginning may
    share stage files, and others are refused.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    tokens = training_tokens(recipe, data, base)
    assert data.train.labels is not None
    for path in sorted((*work.glob("*.partial"), *work.glob(".*.partial.*"))):
        path.unlink()
    files = [work / f"{stage.name}.safetensors" for stage in recipe.stages]
    done = max((i for i, file in enumerate(files) if file.is_file()), default=-1)
    if done < 0:
        model = base_model(recipe, base)
    else:
        model = load_stage(recipe, recipe.stages[done].name, base, work)
    for index, stage in enumerate(recipe.stages):
        if index <= done:
            continue
        finished = files[index]
        if stage.albert is not None:
            model = as_albert(model, stage.albert)
        seen = visited_rows(tokens, stage, recipe.seed + index, max_steps)
        rows = TrainingSet(
            tokens, data.train.labels, *_teacher(recipe, stage, base, work, tokens, seen)
        )  # fmt: skip
        checkpoint = work / f"{stage.name}.checkpoint.safetensors"
        recipe_hash = recipe.stage_hash(index)
        StageRun(
            model, stage, rows, seed=recipe.seed + index, checkpoint=checkpoint,
            max_steps=max_steps, recipe_sha256=recipe_hash,
        ).run()  # fmt: skip
        save_tensors(model.state_dict(), finished, {RECIPE_KEY: recipe_hash})
        checkpoint.unlink(missing_ok=True)
    return model.eval()


def _teacher(
    recipe: Recipe, stage: Stage, base: Path, work: Path, tokens: list[NDArray[np.int64]],
    seen: NDArray[np.int64],
) -> tuple[NDArray[np.float32] | None, MultiExitClassifier | None]:  # fmt: skip
    """Final-ramp logits of the teacher stage for the rows that the stage sees, cached on disk.

    Rows not asked for yet are NaN. The teacher itself comes along where its hidden states are
    compared.
    """
    if stage.distil is None:
        return None, None
    cache = work / f"{stage.distil.teacher}.logits.npy"
    shape = (len(tokens), recipe.task.num_labels)
    logits = np.full(shape, np.nan, dtype=np.float32)
    if cache.is_file() and (stored := np.load(cache, allow_pickle=False)).shape == shape:
        logits = stored
    missing = seen[np.isnan(logits[seen, 0])]
    if not len(missing) and not stage.distil.hidden:
        return logits, None
    teacher = load_stage(recipe, stage.distil.teacher, base, work)
    if len(missing):
        logits[missing] = ramp_logits(teacher, [tokens[row] for row in missing])[:, -1]
        content = io.BytesIO()
        np.save(content, logits, allow_pickle=False)
        write_whole(cache, content.getvalue())
    return logits, teacher if stage.distil.hidden else None
