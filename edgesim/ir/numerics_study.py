"""What an arithmetic does to a model: departures op by op, and accuracy of each variant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class DepartureRow:
    """One executed op against float32, over all sentences and up to and including it."""

    layer: int
    """1-based; 0 for the embedding, one more than the last for the epilogue."""
    op: str
    kind: str
    relative: float
    """Root mean square of the difference over that of the float32 value."""
    largest_error: float


@dataclass(frozen=True)
class VariantRow:
    """One arithmetic over all sentences."""

    name: str
    accuracy: float
    """At full depth."""
    accuracy_low: float
    """95 % Wilson interval."""
    accuracy_high: float
    exit_accuracy: float | None
    """With early exit; None without off-ramps or threshold."""
    average_exit_layer: float | None
    events: dict[str, int]
    """How often something did not fit, over all sentences and ops."""


@dataclass(frozen=True)
class NumericsStudy:
    """Tables of one model and one chip over labelled sentences."""

    model: str
    chip: str
    sentences: str
    num_sentences: int
    exit_threshold: float | None
    calibration: str
    departures: tuple[DepartureRow, ...]
    variants: tuple[VariantRow, ...]
    remarks: tuple[str, ...]
    """What the chip's sound arithmetic could not hold."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
