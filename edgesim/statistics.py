"""Intervals, percentiles and resampling of measured samples; no other module computes one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 1000
SAMPLE_PERCENTILES = (5.0, 95.0)

Answers = NDArray[np.bool_]
"""Whether each row was answered rightly, (rows,)."""
Samples = NDArray[np.float64]


def _normal_quantile() -> float:
    """Standard deviations on either side of the mean that hold CONFIDENCE of a normal variable."""
    return NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True)
class Proportion:
    """A share of correct answers with its count and 95 % Wilson interval, low ≤ value ≤ high."""

    correct: int
    num: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself, 0 to 1."""
        return self.correct / self.num


def wilson_proportion(correct: int, num: int) -> Proportion:
    """The proportion `correct / num` with its Wilson score interval (Wilson, 1927).

    The interval holds the proportion: at 0 and at `num` correct one end equals it, and rounding
    would put that end beyond it by some 1e-16.
    """
    if num < 1 or not 0 <= correct <= num:
        raise InputError(f"a proportion of {correct} in {num} does not exist")
    value, z = correct / num, _normal_quantile()
    centre = (correct + z * z / 2) / (num + z * z)
    half = z / (num + z * z) * math.sqrt(correct * (num - correct) / num + z * z / 4)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Proportion(correct, num, min(low, value), max(high, value))


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


def paired_difference(model_right: Answers, reference_right: Answers) -> PairedDifference:
    """Compare two models row by row.

    With b rows that only the model gets right and c that only the reference does, the difference
    is (b - c) / n. The interval is Wald's after adding 1/2 to each of the four cells (Agresti and
    Min, 2005), so it does not collapse when b = c = 0. Raises InputError for other rows.
    """
    gained, lost, num = _discordant(model_right, reference_right)
    centre = (gained - lost) / (num + 2)
    spread = math.sqrt((gained + lost + 1) / (num + 2) - centre * centre) / math.sqrt(num + 2)
    half = _normal_quantile() * spread
    return PairedDifference((gained - lost) / num, centre - half, centre + half, gained, lost, num)


def loss_with_margin(model_right: Answers, reference_right: Answers) -> float:
    """Accuracy that a model loses against a reference on the same rows, plus one standard error.

    The standard error is that of the paired difference, sqrt(b + c - (b - c)² / n) / n. Raises
    InputError for other rows.
    """
    gained, lost, num = _discordant(model_right, reference_right)
    variance = lost + gained - (lost - gained) ** 2 / num
    return (lost - gained + math.sqrt(variance)) / num


def _discordant(model_right: Answers, reference_right: Answers) -> tuple[int, int, int]:
    """Rows that only the model gets right, that only the reference gets right, and all rows."""
    if model_right.shape != reference_right.shape or model_right.ndim != 1 or not model_right.size:
        raise InputError(
            f"paired comparison of {model_right.shape} with {reference_right.shape} rows; the "
            "same rows, at least one, are wanted"
        )
    gained = int((model_right & ~reference_right).sum())
    lost = int((~model_right & reference_right).sum())
    return gained, lost, len(model_right)


def nearest_rank(values: Sequence[float] | Samples, share: float) -> float:
    """Percentile of at least one value by the nearest rank: the ⌈share · count⌉-th smallest.

    The product is rounded to nine decimals first: 0.07 · 100 is 7, not 7.000000000000001.
    """
    rank = math.ceil(round(share * len(values), 9))
    return float(np.sort(values)[min(len(values), max(1, rank)) - 1])


def sample_range(samples: Sequence[float] | Samples) -> tuple[float, float]:
    """The 5th and 95th percentile of samples, interpolated linearly between ranks."""
    low, high = np.percentile(np.asarray(samples, dtype=np.float64), SAMPLE_PERCENTILES)
    return float(low), float(high)


def bootstrap_means(values: Samples, seed: int) -> Samples:
    """Means of RESAMPLES resamples of the values with replacement (Efron, 1979), (RESAMPLES,).

    Equal seeds and counts give the same picks, so that different figures of one set of sentences
    are resampled alike.
    """
    picks = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    means: Samples = values[picks].mean(axis=1)
    return means
