"""FormatStudy: rounding error and accuracy of one model's weights by number format and width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


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
class FormatStudy:
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

    def to_frame(self) -> pd.DataFrame:
        """A row per family and width."""
        import pandas as pd

        frame = pd.DataFrame([asdict(row) for row in self.rows])
        if self.num_sentences is not None:
            frame.insert(6, "accuracy", frame.correct / self.num_sentences)
        return frame

    def to_json(self, command: str | None = None) -> Mapping[str, Any]:
        """Rows, and under `_meta` how they were made."""
        meta = {key: value for key, value in asdict(self).items() if key != "rows"}
        if command is not None:
            meta["command"] = command
        return {"_meta": meta, "rows": [asdict(row) for row in self.rows]}
