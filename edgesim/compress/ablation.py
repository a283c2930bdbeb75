"""Snapshots of a finished training chain, one per technique added: the models of an ablation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.attention import use_edgesim_attention
from edgesim.compress.build import load_stage
from edgesim.compress.embeddings import prepare_embeddings
from edgesim.compress.evaluate import Labels
from edgesim.compress.head_removal import without_idle_heads
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, Stage
from edgesim.compress.record import unpadded_logits
from edgesim.compress.rounding import attach_rounding, detach_rounding
from edgesim.numerics import NumberFormat

CALIBRATION_ROWS = 256
TECHNIQUES = {
    "embeddings": "pruned, frozen embeddings",
    "distil": "distillation",
    "span": "attention spans, heads removed",
    "prune": "pruned encoder",
    "quantise": "trained in the format",
}


@dataclass(frozen=True)
class Snapshot:
    """A model of the chain without the heads that see nothing, and what was added last."""

    name: str
    adds: str
    recipe_sha256: str
    """Hash of the recipe up to it."""
    make: Callable[[], MultiExitClassifier]
    """Loads it."""


def snapshots(recipe: Recipe, base: Path, work: Path) -> Iterator[Snapshot]:
    """The models of a chain in order, cumulative; needs every stage in the work folder.

    Tables that a stage takes over before it trains are a row of their own.
    """
    for index, stage in enumerate(recipe.stages):
        steps = [step for step in TECHNIQUES if getattr(stage, step) is not None]
        if index and stage.embeddings is not None:
            make = partial(_with_tables, recipe, index, base, work)
            owner = recipe.stage_hash(index)
            yield Snapshot("embeddings", TECHNIQUES["embeddings"], owner, make)
            steps.remove("embeddings")
        adds = ", ".join(TECHNIQUES[s] for s in steps if not _seen(recipe.stages[:index], s))
        make = partial(_stage, recipe, stage.name, base, work)
        fallback = "trained on" if index else "dense"
        yield Snapshot(stage.name, adds or fallback, recipe.stage_hash(index), make)


def _stage(recipe: Recipe, stage: str, base: Path, work: Path) -> MultiExitClassifier:
    return _smaller(load_stage(recipe, stage, base, work))


def _with_tables(recipe: Recipe, index: int, base: Path, work: Path) -> MultiExitClassifier:
    before = load_stage(recipe, recipe.stages[index - 1].name, base, work)
    prepare_embeddings(before, recipe.stages[index])
    return _smaller(before)


def _seen(stages: tuple[Stage, ...], step: str) -> bool:
    return any(getattr(stage, step) is not None for stage in stages)


def _smaller(model: MultiExitClassifier) -> MultiExitClassifier:
    smaller = without_idle_heads(model)
    assert isinstance(smaller, MultiExitClassifier)
    return smaller.eval()


def right_in_format(
    model: MultiExitClassifier, number_format: NumberFormat,
    calibration: list[NDArray[np.int64]], tokens: list[NDArray[np.int64]], labels: Labels,
) -> int:  # fmt: skip
    """Right answers of the last ramp with every weight and every operand of a product rounded.

    Weights take a parameter per tensor, operands the one of the largest magnitude that training
    rows show. Sums, layer norms and residuals stay float32. The model's weights are changed.
    """
    for weight in model.parameters():
        rounded = number_format.quantize(weight.detach().numpy())
        weight.data = torch.from_numpy(rounded)
    use_edgesim_attention(model.encoder)
    operands = attach_rounding(model, number_format)
    for operand in operands:
        operand.mode = "observe"
    unpadded_logits(model, calibration)
    for operand in operands:
        operand.mode = "round"
    logits = unpadded_logits(model, tokens)
    detach_rounding(model)
    return int((logits[:, -1].argmax(axis=-1) == labels).sum())
