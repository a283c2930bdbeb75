"""Accuracy of every off-ramp, early-exit tables, thresholds and paired comparisons.

Works on logits alone, (rows, num_ramps, num_labels), so nothing here runs a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.exits import EntropyExit

CONFIDENCE = 0.95
THRESHOLD_STEP = 0.01
"""Nats between the thresholds that selection may choose from."""

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def _normal_quantile() -> float:
    return NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True)
class Proportion:
    """A share of correct answers with its count and 95 % Wilson interval."""

    correct: int
    num: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself, 0 to 1."""
        return self.correct / self.num


def wilson_proportion(correct: int, num: int) -> Proportion:
    """The proportion `correct / num` with its Wilson score interval (Wilson, 1927)."""
    if num < 1 or not 0 <= correct <= num:
        raise InputError(f"a proportion of {correct} in {num} does not exist")
    z = _normal_quantile()
    centre = (correct + z * z / 2) / (num + z * z)
    half = z / (num + z * z) * math.sqrt(correct * (num - correct) / num + z * z / 4)
    return Proportion(correct, num, max(0.0, centre - half), min(1.0, centre + half))


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


def loss_with_margin(chosen: NDArray[np.bool_], full: NDArray[np.bool_]) -> float:
    """Accuracy lost against full depth on the same rows, plus one standard error of it."""
    num, lost, gained = len(full), int((full & ~chosen).sum()), int((chosen & ~full).sum())
    variance = lost + gained - (lost - gained) ** 2 / num
    return (lost - gained + math.sqrt(variance)) / num


@dataclass(frozen=True)
class PairedDifference:
    """Accuracy of a model minus that of a reference on the same rows, with a 95 % interval."""

    difference: float
    low: float
    high: float
    only_model_right: int
    only_reference_right: int
    num: int
    method: str = "adjusted Wald interval for paired proportions, Agresti and Min 2005"


def paired_difference(
    model_right: NDArray[np.bool_], reference_right: NDArray[np.bool_]
) -> PairedDifference:
    """Compare two models row by row.

    With b rows that only the model gets right and c that only the reference does, the difference
    is (b - c) / n. The interval is Wald's after adding 1/2 to each of the four cells (Agresti and
    Min, 2005), so it does not collapse when b = c = 0.
    """
    if model_right.shape != reference_right.shape or model_right.ndim != 1:
        raise InputError(
            f"paired comparison of {model_right.shape} with {reference_right.shape} rows"
        )
    num = len(model_right)
    gained = int((model_right & ~reference_right).sum())
    lost = int((~model_right & reference_right).sum())
    centre = (gained - lost) / (num + 2)
    spread = math.sqrt((gained + lost + 1) / (num + 2) - centre * centre) / math.sqrt(num + 2)
    half = _normal_quantile() * spread
    return PairedDifference((gained - lost) / num, centre - half, centre + half, gained, lost, num)
