"""FormatStudy: rounding error and accuracy of one model's weights by number format and width."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.ir.study import Study


@dataclass(frozen=True)
class FormatRow:
    """One family at one width, by the format of least RMS error in it."""

    family: str
    bits: int
    number_format: str
    rms_error: float
    relative_rms_error: float
    """Over the RMS of the weights."""
    correct: int | None
    """Right answers at full depth with the rounded weights; None where none were asked."""
    points: float | None
    """Accuracy less that of the weights as they are, in percent points."""
    points_low: float | None
    """Ends of the 95 % interval of that paired difference."""
    points_high: float | None


@dataclass(frozen=True)
class FormatStudy(Study):
    """Every row, beside the weights as they are."""

    weights: str
    """Whose weights: model and stage, or file."""
    sha256: str
    """Of the file that holds them."""
    notes: tuple[str, ...]
    """What is rounded, how the weights came about, and what else a reader must know."""
    num_tensors: int
    num_weights: int
    text: str | None
    """Name of the labelled text; None where accuracy was not asked."""
    num_sentences: int | None
    correct: int | None
    """Right answers of the weights as they are."""
    rows: tuple[FormatRow, ...]
