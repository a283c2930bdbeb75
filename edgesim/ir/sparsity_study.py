"""SparsityStudy: accuracy of one model by share of zeros, by what is pruned and how."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.ir.study import Study


@dataclass(frozen=True)
class SparsityRow:
    """One way of pruning at one share of zeros."""

    part: str
    """`embedding` (the word table) or `encoder` (its matrices)."""
    method: str
    """`magnitude` or `movement`."""
    num_steps: int
    """Training steps while it was pruned; 0 for pruning at once."""
    asked_fraction: float
    zero_fraction: float
    """Zeros that were reached."""
    correct: int
    """Right answers at full depth."""
    points: float
    """Accuracy less that of the weights as they are, in percent points."""
    points_low: float
    """Ends of the 95 % interval of that paired difference."""
    points_high: float


@dataclass(frozen=True)
class SparsityStudy(Study):
    """Every row, beside the weights as they are."""

    weights: str
    """Whose weights: model and stage."""
    sha256: str
    """Of the file that holds them."""
    notes: tuple[str, ...]
    """How was trained, and what else a reader must know."""
    text: str
    """Name of the labelled text."""
    num_sentences: int
    correct: int
    """Right answers of the weights as they are."""
    rows: tuple[SparsityRow, ...]
