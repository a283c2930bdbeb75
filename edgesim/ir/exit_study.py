"""ExitStudy: off-ramps trained together with the encoder against those trained after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LossPoint:
    """Early exit at the threshold that the selection slice allows for a loss."""

    allowed_loss_points: int
    """Accuracy points against the variant's own full depth."""
    threshold_nats: float
    correct: int
    average_exit_layer: float


@dataclass(frozen=True)
class ExitVariant:
    """One way to train off-ramps, measured on the dev set."""

    name: str
    trained: str
    """What was trained, in words."""
    correct_by_layer: tuple[int, ...]
    """Right answers of the ramp behind each layer."""
    points: tuple[LossPoint, ...]


@dataclass(frozen=True)
class ExitStudy:
    """Variants of one model on the same rows."""

    model: str
    notes: tuple[str, ...]
    text: str
    num_sentences: int
    num_selection: int
    """Training rows that thresholds were chosen on."""
    variants: tuple[ExitVariant, ...]

    def to_json(self, command: str) -> Mapping[str, Any]:
        """The variants, and under `_meta` how they were made."""
        content = asdict(self)
        variants = list(content.pop("variants"))
        return {"_meta": {**content, "command": command}, "variants": variants}
