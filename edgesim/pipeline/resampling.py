"""Bootstrap over sentences: what a run's means would be on other sentences of the same kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.interval import Interval
from edgesim.ir.result import SentenceRow, SimResult
from edgesim.statistics import bootstrap_means, sample_range

COLUMNS = {
    "latency": "latency_s", "energy": "energy_j", "chip energy": "chip_energy_j",
    "off-chip memory energy": "offchip_energy_j",
}  # fmt: skip
ACCURACY = "accuracy"


def over_sentences(name: str, result: SimResult, seed: int) -> Interval | None:
    """5 to 95 % of a figure's mean over resampled sentences.

    Every figure sees the same resampled sentences. None for fewer than two sentences, for accuracy
    without answers, and for what no sentence changes.
    """
    values = _values(name, result)
    if values is None or len(values) < 2:
        return None
    return spread(float(values.mean()), bootstrap_means(values, seed))


def spread(value: float, column: Any) -> Interval:
    """A nominal value with the 5th and 95th percentile of samples around it."""
    low, high = sample_range(column)
    return Interval(value, min(low, value), max(high, value))


def _values(name: str, result: SimResult) -> NDArray[np.float64] | None:
    """One number per sentence; accuracy in percent."""
    if name in COLUMNS:
        found = [getattr(row, COLUMNS[name]) for row in result.sentences]
    elif name == ACCURACY:
        found = [_right(row) for row in result.sentences]
    else:
        return None
    if any(value is None for value in found):
        return None
    return np.array(found, dtype=np.float64)


def _right(row: SentenceRow) -> float | None:
    """100 for a right answer, 0 for a wrong one; None where either side is unknown."""
    if row.prediction is None or row.label is None:
        return None
    return 100.0 * (row.prediction == row.label)
