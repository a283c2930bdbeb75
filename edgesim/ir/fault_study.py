"""FaultStudy: accuracy of a model whose stored tensors are misread, over repeated draws."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class FaultTrial:
    """One draw of faults and what the model then answers."""

    data_faults: int
    """Cells of packed codes that are read as another level."""
    mask_faults: int
    """Cells of the bitmask."""
    changed_weights: int
    """Weights, or activations of all sentences, that are read as another value."""
    correct: int
    """Right answers at full depth."""
    correct_with_exit: int | None
    """Right answers when sentences leave early; None without an exit threshold."""
    average_exit_layer: float | None


@dataclass(frozen=True)
class FaultPoint:
    """Repeated draws under one condition."""

    mask_medium: str
    coding: str
    """`binary` or `gray`."""
    widened_to: float | None
    """The cell fault rate that the medium's levels were widened to; None for the medium's own."""
    data_cell_rate: float
    """Share of cells of the codes that are misread, levels equally likely."""
    data_bit_rate: float
    mask_cell_rate: float
    trials: tuple[FaultTrial, ...]


@dataclass(frozen=True)
class FaultStudy:
    """Every condition of one question, beside the model without faults."""

    model: str
    chip: str
    medium: str
    """Where the codes rest."""
    tensor_class: str
    text: str
    """Name of the labelled text."""
    num_sentences: int
    seed: int
    exit_threshold_nats: float | None
    num_tensors: int
    """Stored tensors; of activations, one per op and batch of sentences of a length."""
    data_bits: int
    """Bits of packed codes, the padding of shorter lanes included; of activations, all that one run
    over the sentences writes."""
    mask_bits: int
    cell_rate_low: float
    """The medium's cell fault rate at the low end of its levels' widths."""
    cell_rate_high: float
    fault_free: FaultTrial
    points: tuple[FaultPoint, ...]
    sources: tuple[str, ...]
    assumed: tuple[str, ...]
    not_modelled: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION

    def accuracies(self, point: FaultPoint, with_exit: bool = False) -> tuple[float, float, float]:
        """Mean, least and greatest accuracy of a point's trials, 0 to 1."""
        name = "correct_with_exit" if with_exit else "correct"
        shares = np.array([getattr(trial, name) for trial in point.trials]) / self.num_sentences
        return float(shares.mean()), float(shares.min()), float(shares.max())

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, with mean, minimum and maximum of each point."""
        content = asdict(self)
        for point, row in zip(self.points, content["points"], strict=True):
            row["accuracy_mean"], row["accuracy_min"], row["accuracy_max"] = self.accuracies(point)
            if self.exit_threshold_nats is not None:
                mean, low, high = self.accuracies(point, with_exit=True)
                row["exit_accuracy_mean"], row["exit_accuracy_min"] = mean, low
                row["exit_accuracy_max"] = high
        return content

    def to_frame(self) -> pd.DataFrame:
        """One row per trial."""
        import pandas as pd

        rows = []
        for point in self.points:
            for number, trial in enumerate(point.trials):
                exits = trial.correct_with_exit
                rows.append(
                    {
                        "medium": self.medium, "mask_medium": point.mask_medium,
                        "coding": point.coding, "data_cell_rate": point.data_cell_rate,
                        "mask_cell_rate": point.mask_cell_rate, "trial": number,
                        "data_faults": trial.data_faults, "mask_faults": trial.mask_faults,
                        "changed_weights": trial.changed_weights,
                        "accuracy": trial.correct / self.num_sentences,
                        "exit_accuracy": None if exits is None else exits / self.num_sentences,
                        "average_exit_layer": trial.average_exit_layer,
                    }
                )  # fmt: skip
        return pd.DataFrame(rows)
