"""Accuracy of every off-ramp, early-exit tables and thresholds.

Works on logits alone, (rows, num_ramps, num_labels), so nothing here runs a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.exits import EntropyExit
from edgesim.statistics import Proportion, loss_with_margin, wilson_proportion

THRESHOLD_STEP = 0.01
"""Nats between the thresholds that selection may choose from."""

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def entropy_nats(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Entropy in nats of softmax over the last axis, in float64 and never negative.

    H = ln sum e^x - sum x e^x / sum e^x (EdgeBERT, 2021), with the maximum taken off first.
    """
    shifted = logits.astype(np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    power = np.exp(shifted)
    total = power.sum(axis=-1)
    entropy: NDArray[np.float64] = np.log(total) - (shifted * power).sum(axis=-1) / total
    return np.maximum(entropy, 0.0)


def correct_answers(logits: Logits, labels: Labels) -> NDArray[np.bool_]:
    """Whether each ramp is right about each row, (rows, num_ramps)."""
    if logits.ndim != 3 or len(logits) != len(labels):
        raise InputError(
            f"logits of shape {logits.shape} do not belong to {len(labels)} labels; "
            f"(rows, num_ramps, num_labels) is wanted"
        )
    right: NDArray[np.bool_] = logits.argmax(axis=-1) == labels[:, None]
    return right


def accuracy_by_ramp(logits: Logits, labels: Labels) -> tuple[Proportion, ...]:
    """Accuracy of every ramp in layer order; the last one is full depth."""
    right = correct_answers(logits, labels)
    return tuple(wilson_proportion(int(count), len(labels)) for count in right.sum(axis=0))


def matthews(answers: NDArray[np.int64], labels: Labels) -> float:
    """Matthews correlation of answers 0 and 1 with the labels, -1 to 1 (Matthews, 1975).

    (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN)); 0 where a factor is 0, as for
    one answer to everything.
    """
    positive, true = answers == 1, labels == 1
    tp, fp = int((positive & true).sum()), int((positive & ~true).sum())
    fn, tn = int((~positive & true).sum()), int((~positive & ~true).sum())
    square = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(square) if square else 0.0


def matthews_by_ramp(logits: Logits, labels: Labels) -> tuple[float, ...]:
    """Matthews correlation of every ramp in layer order; the last one is full depth."""
    correct_answers(logits, labels)  # refuses what does not belong together
    answers = logits.argmax(axis=-1)
    return tuple(matthews(answers[:, ramp], labels) for ramp in range(logits.shape[1]))


@dataclass(frozen=True)
class ExitPoint:
    """What one exit threshold gives on one set of rows."""

    threshold: float
    """Entropy in nats; a row leaves strictly below it."""
    accuracy: Proportion
    average_exit_layer: float


def early_exit(logits: Logits, labels: Labels, threshold: float) -> ExitPoint:
    """Accuracy and average exit layer when rows leave below `threshold`."""
    right = correct_answers(logits, labels)
    layers = EntropyExit(threshold).exit_layers(entropy_nats(logits))
    chosen = right[np.arange(len(labels)), layers - 1]
    return ExitPoint(
        threshold, wilson_proportion(int(chosen.sum()), len(labels)), float(layers.mean())
    )


def exit_answers(logits: Logits, threshold: float) -> NDArray[np.int64]:
    """The answer of the ramp that each row leaves at."""
    layers = EntropyExit(threshold).exit_layers(entropy_nats(logits))
    answers: NDArray[np.int64] = logits.argmax(axis=-1)[np.arange(len(logits)), layers - 1]
    return answers


def threshold_grid(num_labels: int) -> tuple[float, ...]:
    """0, 0.01, 0.02, … nats up to the entropy of a uniform guess, ln(num_labels)."""
    count = math.floor(math.log(num_labels) / THRESHOLD_STEP + 1e-9) + 1
    return tuple(round(i * THRESHOLD_STEP, 10) for i in range(count))


def exit_table(
    logits: Logits, labels: Labels, thresholds: Sequence[float]
) -> tuple[ExitPoint, ...]:
    """One exit point per threshold."""
    return tuple(early_exit(logits, labels, threshold) for threshold in thresholds)


def choose_threshold(logits: Logits, labels: Labels, allowed_loss_points: float) -> ExitPoint:
    """The grid threshold of least average exit that loses at most so many accuracy points.

    The loss is against full depth on the same rows, plus one standard error of that paired
    difference: without the margin, other rows would lose more than is allowed half of the time.
    Equal averages go to the lower threshold; threshold 0 never leaves early and always qualifies.
    """
    right = correct_answers(logits, labels)
    entropies = entropy_nats(logits)
    allowed = []
    for threshold in threshold_grid(logits.shape[-1]):
        layers = EntropyExit(threshold).exit_layers(entropies)
        chosen = right[np.arange(len(labels)), layers - 1]
        if loss_with_margin(chosen, right[:, -1]) <= allowed_loss_points / 100 + 1e-9:
            allowed.append((float(layers.mean()), threshold))
    return early_exit(logits, labels, min(allowed)[1])
