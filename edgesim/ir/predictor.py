"""The exit predictor: from the entropy after layer 1, the entropies of the layers behind it.

A table of forecasts by layer-1 entropy, as the EdgeBERT accelerator holds it in its auxiliary
memory. The layer from which a forecast lies below the exit threshold is the forecast exit layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.files import read_lines

STEP_NATS = 0.01
"""Distance of the table's rows, as in the table that the EdgeBERT authors released."""
BANDWIDTHS_NATS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
"""Kernel widths that the fit tries for every layer."""
MIN_SENTENCES = 20
MOST_SHOWN = 60
"""Characters of a wrong cell that a message repeats."""


@dataclass(frozen=True, eq=False)
class ExitPredictor:
    """Forecast entropies in nats; the last layer needs none, it is where a sentence must leave."""

    first_entropies: NDArray[np.float64]
    """Layer-1 entropy of every row, rising, (num_rows,)."""
    forecasts: NDArray[np.float64]
    """Forecast entropies of layers 2 to num_layers - 1, (num_rows, num_layers - 2)."""
    origin: str
    """What the table was fitted on, or the file it came from."""

    def __post_init__(self) -> None:
        rows, table = self.first_entropies, self.forecasts
        if rows.ndim != 1 or table.ndim != 2 or not len(rows) or len(table) != len(rows):
            raise InputError(
                f"predictor table: {rows.shape} entropies and {table.shape} forecasts; one row "
                "of forecasts per layer-1 entropy is wanted"
            )
        if not np.isfinite(rows).all() or (np.diff(rows) <= 0).any() or rows[0] < 0:
            raise InputError("predictor table: layer-1 entropies must rise from at least 0 nats")
        if not np.isfinite(table).all() or (table < 0).any():
            raise InputError("predictor table: forecast entropies must be at least 0 nats")

    @property
    def num_layers(self) -> int:
        """Layers of the models that the table fits."""
        return int(self.forecasts.shape[1]) + 2

    def check_layers(self, num_layers: int, model: str = "the model") -> None:
        """InputError unless the table fits a model of `num_layers`."""
        if self.num_layers != num_layers:
            raise InputError(
                f"predictor table ({self.origin}) forecasts a model of {self.num_layers} layers, "
                f"{model} has {num_layers}; fit one from its own entropies"
            )

    def forecast_layers(self, first_entropies: ArrayLike, threshold: float) -> NDArray[np.int64]:
        """1-based layer at which each sentence should leave, from its entropy after layer 1.

        Layer 1 where that entropy already lies below the threshold; else, in the nearest row of
        the table, the first layer whose forecast does; else the last layer.
        """
        seen = np.asarray(first_entropies, dtype=np.float64)
        below = self.forecast_entropies(seen) < threshold
        first = np.argmax(below, axis=1) + 2 if below.shape[1] else 2
        layers = np.where(below.any(axis=1), first, self.num_layers)
        return np.where(seen < threshold, 1, layers).astype(np.int64)

    def forecast_entropies(self, first_entropies: ArrayLike) -> NDArray[np.float64]:
        """Forecasts of layers 2 to num_layers - 1 from entropies after layer 1, by nearest row."""
        seen = np.asarray(first_entropies, dtype=np.float64)
        return self.forecasts[self._nearest_rows(seen)]

    def _nearest_rows(self, seen: NDArray[np.float64]) -> NDArray[np.int64]:
        middles = (self.first_entropies[1:] + self.first_entropies[:-1]) / 2
        return np.searchsorted(middles, seen, side="left").astype(np.int64)

    @classmethod
    def fit(cls, entropies: ArrayLike, origin: str) -> ExitPredictor:
        """The table from a model's own entropies, (num_sentences, num_layers), in nats.

        Each forecast is the kernel-weighted mean entropy of the sentences whose layer-1 entropy
        is near (Nadaraya and Watson, 1964); the width of the kernel is that of the least
        leave-one-out error, layer by layer. Raises InputError below 20 sentences or 2 layers.
        """
        values = np.asarray(entropies, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] < 2 or len(values) < MIN_SENTENCES:
            raise InputError(
                f"predictor: entropies have shape {values.shape}; at least {MIN_SENTENCES} "
                "sentences and 2 layers are wanted"
            )
        if not np.isfinite(values).all() or (values < 0).any():
            raise InputError("predictor: entropies must be finite and at least 0 nats")
        first, later = values[:, 0], values[:, 1:-1]
        rows = np.arange(int(np.ceil(first.max() / STEP_NATS)) + 1, dtype=np.float64) * STEP_NATS
        widths = [_best_width(first, column) for column in later.T]
        columns = [
            _kernel_mean(rows, first, column, width)
            for column, width in zip(later.T, widths, strict=True)
        ]
        table = np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))
        return cls(rows, table, origin)

    @classmethod
    def from_csv(cls, path: str | Path) -> ExitPredictor:
        """A table of comma-separated rows: layer-1 entropy, then a forecast per layer from 2 on.

        The form of the EdgeBERT authors' released table. InputError for anything else.
        """
        path = Path(path)
        table = read_table(path)
        try:
            return cls(table[:, 0], table[:, 1:], path.name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def read_table(path: Path) -> NDArray[np.float64]:
    """Comma-separated numbers as rows and columns; InputError for anything else or no rows.

    Each row is a line; empty lines are passed over. Numbers are finite and in ASCII.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    rows: list[list[float]] = []
    for number, line in read_lines(path, "a table of comma-separated numbers is wanted"):
        rows.append(_numbers(line, f"{path}:{number}"))
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"{path}:{number}: {len(rows[-1])} numbers, the first row has {len(rows[0])}"
            )
    if not rows:
        raise InputError(f"{path}: holds no rows; comma-separated numbers are wanted")
    return np.array(rows, dtype=np.float64)


def _numbers(line: str, place: str) -> list[float]:
    numbers = []
    for cell in line.split(","):
        try:
            number = float(cell) if cell.isascii() and "_" not in cell else float("nan")
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            raise InputError(
                f"{place}: no table of comma-separated numbers: got {cell[:MOST_SHOWN]!r}, where "
                "a finite number is wanted"
            )
        numbers.append(number)
    return numbers


def _kernel_mean(
    at: NDArray[np.float64], first: NDArray[np.float64], column: NDArray[np.float64], width: float,
    leave_out: bool = False,
) -> NDArray[np.float64]:  # fmt: skip
    """Gaussian-weighted mean of `column` at layer-1 entropies `at`; far away, the nearest one's."""
    distance = ((at[:, None] - first[None, :]) / width) ** 2 / 2
    if leave_out:
        np.fill_diagonal(distance, np.inf)
    weight = np.exp(distance.min(axis=1, keepdims=True) - distance)
    means: NDArray[np.float64] = (weight @ column) / weight.sum(axis=1)
    return means


def _best_width(first: NDArray[np.float64], column: NDArray[np.float64]) -> float:
    errors = [
        float(np.mean((_kernel_mean(first, first, column, width, leave_out=True) - column) ** 2))
        for width in BANDWIDTHS_NATS
    ]
    return BANDWIDTHS_NATS[int(np.argmin(errors))]
