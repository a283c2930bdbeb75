"""Off-ramps trained jointly with the encoder, or after it on its frozen states (DeeBERT)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.assessment import ALLOWED_LOSSES_POINTS
from edgesim.compress.evaluate import choose_threshold, correct_answers, early_exit
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Stage
from edgesim.compress.record import unpadded_logits
from edgesim.compress.short_runs import Tokens, short_run, steps_stage
from edgesim.compress.steps import Exits
from edgesim.compress.training import TrainingSet
from edgesim.ir.exit_study import ExitVariant, LossPoint

RAMP_LEARNING_RATE = 1e-2
"""Of ramps on a frozen encoder: logistic regression, at its minimum after some hundred steps."""


@dataclass(frozen=True, eq=False)
class MeasuredText:
    """Rows to choose thresholds on and rows to measure on."""

    selection: Tokens
    selection_labels: NDArray[np.int64]
    dev: Tokens
    dev_labels: NDArray[np.int64]


@dataclass(frozen=True)
class ExitTraining:
    """The budget: the same steps of the encoder for both ways, ramps alone on top."""

    num_steps: int
    num_ramp_steps: int
    batch_size: int = 32
    learning_rate: float = 1e-4
    seed: int = 1

    def stage(self, name: str, num_rows: int, exits: Exits, num_steps: int) -> Stage:
        """The stage of a variant."""
        return steps_stage(
            name, num_steps, self.batch_size, num_rows, learning_rate=self.learning_rate,
            exits=exits,
        )  # fmt: skip


def variants_from(
    start: MultiExitClassifier, rows: TrainingSet, text: MeasuredText, budget: ExitTraining,
    work: Path | None,
) -> Iterator[ExitVariant]:  # fmt: skip
    """Joint and two-stage training from the same weights, the encoder for the same steps."""
    joint, ramps, both = budget.num_steps, budget.num_ramp_steps, (text.dev, text.selection)
    stage = budget.stage("joint", len(rows.tokens), Exits(), joint)
    done = short_run(start, stage, joint, rows, budget.seed, both, work)
    yield _measured("joint", f"encoder and all ramps, {joint} steps", done.logits, text)
    total = joint + ramps
    exits = Exits(mode="two-stage", ramp_start=joint / total, ramp_learning_rate=RAMP_LEARNING_RATE)
    stage = budget.stage("two-stage", len(rows.tokens), exits, total)
    done = short_run(start, stage, total, rows, budget.seed, both, work)
    words = f"encoder and last ramp, {joint} steps; then the other ramps, {ramps} steps"
    yield _measured("two-stage", words, done.logits, text)


def variants_of_trained(
    model: MultiExitClassifier, rows: TrainingSet, text: MeasuredText, budget: ExitTraining,
    work: Path | None,
) -> Iterator[ExitVariant]:  # fmt: skip
    """A jointly trained model, and fresh ramps on its encoder as it is."""
    both = (text.dev, text.selection)
    logits = tuple(unpadded_logits(model, tokens, quiet=True) for tokens in both)
    yield _measured("stage, joint", "as the stage left it", logits, text)
    steps = budget.num_ramp_steps
    exits = Exits(mode="two-stage", ramp_start=0, ramp_learning_rate=RAMP_LEARNING_RATE)
    stage = budget.stage("fresh-ramps", len(rows.tokens), exits, steps)
    fresh = with_fresh_ramps(model, budget.seed)
    done = short_run(fresh, stage, steps, rows, budget.seed, both, work)
    words = f"ramps before the last anew on that encoder, {steps} steps"
    yield _measured("stage, ramps anew", words, done.logits, text)


def with_fresh_ramps(model: MultiExitClassifier, seed: int) -> MultiExitClassifier:
    """A copy whose ramps before the last are drawn anew."""
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ramps: list[Any] = list(fresh.ramps)
        for ramp in ramps[:-1]:
            ramp.classifier.reset_parameters()
    return fresh


def _measured(
    name: str, trained: str, logits: tuple[NDArray[np.float32], ...], text: MeasuredText
) -> ExitVariant:
    """A variant from its logits of the dev set and of the selection slice."""
    dev, selection = logits
    points = []
    for loss in ALLOWED_LOSSES_POINTS:
        threshold = choose_threshold(selection, text.selection_labels, loss).threshold
        point = early_exit(dev, text.dev_labels, threshold)
        points.append(LossPoint(loss, threshold, point.accuracy.correct, point.average_exit_layer))
    right = correct_answers(dev, text.dev_labels).sum(axis=0)
    return ExitVariant(name, trained, tuple(int(count) for count in right), tuple(points))
