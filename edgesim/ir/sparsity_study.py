"""SparsityStudy: accuracy of one model by share of zeros, by what is pruned and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


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
class SparsityStudy:
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

    def to_frame(self) -> pd.DataFrame:
        """A row per part, method and share of zeros, with the accuracy as a fraction."""
        import pandas as pd

        frame = pd.DataFrame([asdict(row) for row in self.rows])
        frame.insert(6, "accuracy", frame.correct / self.num_sentences)
        return frame

    def to_json(self, command: str | None = None) -> Mapping[str, Any]:
        """Rows, and under `_meta` how they were made."""
        meta = {key: value for key, value in asdict(self).items() if key != "rows"}
        if command is not None:
            meta["command"] = command
        return {"_meta": meta, "rows": [asdict(row) for row in self.rows]}
