"""Ratios of one result to another, as intervals that name both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.interval import Interval
from edgesim.ir.quantity import digits_text, interval_text
from edgesim.ir.result import SimResult
from edgesim.statistics import paired_difference

RATIO_QUANTITIES: tuple[tuple[str, Callable[[SimResult], Interval | None]], ...] = (
    ("latency", lambda result: result.latency_s),
    ("energy", lambda result: result.energy_j),
    ("energy-delay product", lambda result: result.energy_delay_js),
    ("chip energy only", lambda result: result.chip_energy_j),
)


@dataclass(frozen=True)
class RatioLine:
    """One quantity of one result as a multiple of the baseline's; below 1 is less."""

    quantity: str
    result: str
    baseline: str
    ratio: Interval | None
    """Its ends as `ratio_of` takes them; None where the baseline may be 0 or a side is absent."""
    reason: str = "the baseline may be zero"
    """Why there is no ratio."""

    @property
    def text(self) -> str:
        """The line in words; names both sides."""
        sides = f"{self.quantity}: {self.result} / {self.baseline}"
        if self.ratio is None:
            return f"{sides} = n/a, {self.reason}"
        return f"{sides} = {interval_text(self.ratio, '')}; {times_text(self.ratio)}"


@dataclass(frozen=True)
class AccuracyDifference:
    """Accuracy of a result minus the baseline's over the same sentences, in shares."""

    result: str
    baseline: str
    difference: Interval
    """95 % interval: adjusted Wald for paired proportions (Agresti and Min, 2005); exactly 0 where
    every answer is the same."""
    num_sentences: int

    @property
    def text(self) -> str:
        """The line in words; names both sides."""
        if self.difference == Interval.exact(0.0):
            return (
                f"accuracy: {self.result} and {self.baseline} give the same answers to all "
                f"{self.num_sentences} sentences"
            )
        value, low, high = (
            f"{100 * end:+.1f}"
            for end in (self.difference.value, self.difference.low, self.difference.high)
        )
        return (
            f"accuracy: {self.result} − {self.baseline} = {value} [{low}, {high}] points, "
            f"paired over {self.num_sentences} sentences"
        )


def times_text(ratio: Interval) -> str:
    """A ratio as "3.2 [2.1, 4.0] times less" or "… more"; undecided where its range holds 1."""
    if ratio.high < 1:
        inverse = Interval(1 / ratio.value, 1 / ratio.high, 1 / ratio.low) if ratio.low else None
        if inverse is None:
            return f"at least {digits_text(1 / ratio.high)} times less"
        return f"{interval_text(inverse, '')} times less"
    if ratio.low > 1:
        return f"{interval_text(ratio, '')} times more"
    if ratio.low == ratio.high:
        return "the same"
    return "undecided, the range holds 1"


def ratio_of(
    numerator: Interval | None, denominator: Interval | None, same_sources: bool
) -> Interval | None:
    """The quotient of two intervals; None where one is absent or the denominator may be zero.

    Ends are the extreme quotients of independent ranges. Where both sides rest on the same
    sources, the same end is taken on both sides: what is dear for one is dear for the other.
    """
    if numerator is None or denominator is None or denominator.low <= 0:
        return None
    if not same_sources:
        return numerator.over(denominator)
    corners = [
        numerator.value / denominator.value,
        numerator.low / denominator.low,
        numerator.high / denominator.high,
    ]
    return Interval(corners[0], min(corners), max(corners))


def share_sources(result: SimResult, reference: SimResult) -> bool:
    """Whether both are runs of one chip over the same technology tables."""
    if result.chip != reference.chip:
        return False
    return all(result.inputs.get(n) == reference.inputs.get(n) for n in ("chip", "technology"))


def _reason(mine: Interval | None, other: Interval | None) -> dict[str, str]:
    """Why a ratio is missing, where a side of it is."""
    return {"reason": "not measured on both sides"} if mine is None or other is None else {}


def ratio_lines(
    results: Sequence[SimResult], labels: Sequence[str], baseline: int
) -> tuple[RatioLine, ...]:
    """Every ratio quantity of every result but the baseline, in the order of the results."""
    reference = results[baseline]
    return tuple(
        RatioLine(
            name, label, labels[baseline],
            ratio_of(read(result), read(reference), share_sources(result, reference)),
            **_reason(read(result), read(reference)),
        )
        for position, (result, label) in enumerate(zip(results, labels, strict=True))
        if position != baseline
        for name, read in RATIO_QUANTITIES
    )  # fmt: skip


def accuracy_differences(
    results: Sequence[SimResult], labels: Sequence[str], baseline: int
) -> tuple[AccuracyDifference, ...]:
    """Paired differences to the baseline, where both ran the same labelled sentences."""
    lines = []
    for position, (result, label) in enumerate(zip(results, labels, strict=True)):
        if position != baseline and _paired(result, results[baseline]):
            difference = _difference(result, results[baseline])
            count = len(result.sentences)
            lines.append(AccuracyDifference(label, labels[baseline], difference, count))
    return tuple(lines)


def _paired(result: SimResult, reference: SimResult) -> bool:
    rows = (*result.sentences, *reference.sentences)
    if any(row.label is None or row.prediction is None for row in rows):
        return False
    workload = result.inputs.get("workload")
    if workload is None or workload != reference.inputs.get("workload"):
        return False
    return [row.label for row in result.sentences] == [row.label for row in reference.sentences]


def _difference(result: SimResult, reference: SimResult) -> Interval:
    """Accuracy of a result minus that of a reference; exactly 0 where all answers are the same."""
    if all(
        row.prediction == reference_row.prediction
        for row, reference_row in zip(result.sentences, reference.sentences, strict=True)
    ):
        return Interval.exact(0.0)
    paired = paired_difference(_right(result), _right(reference))
    return Interval(paired.difference, paired.low, paired.high)


def _right(result: SimResult) -> NDArray[np.bool_]:
    """Whether each sentence was answered rightly, (num_sentences,)."""
    return np.array([row.prediction == row.label for row in result.sentences], dtype=np.bool_)
