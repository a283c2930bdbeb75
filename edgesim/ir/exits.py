"""The early-exit rule: a sentence leaves at the first off-ramp whose entropy is low enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError


@dataclass(frozen=True)
class EntropyExit:
    """Leave at the first layer whose entropy lies strictly below `threshold` (DeeBERT, 2020)."""

    threshold: float
    """Entropy in nats, not negative; 0 never leaves early, +inf leaves at the first ramp."""

    def __post_init__(self) -> None:
        value = self.threshold
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise InputError(f"exit threshold {value!r}: a number of nats, at least 0, is wanted")
        if math.isnan(float(value)) or float(value) < 0:
            raise InputError(f"exit threshold {value}: must be at least 0 nats and not NaN")

    def exit_layers(self, entropies: ArrayLike) -> NDArray[np.int64]:
        """1-based exit layer of each sentence, from entropies (num_sentences, num_layers).

        A sentence with no entropy below the threshold exits at the last layer. +inf is a ramp
        that never exits; NaN, negative values or another shape raise InputError.
        """
        values = np.asarray(entropies, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] == 0:
            raise InputError(
                f"entropies have shape {values.shape}; (num_sentences, num_layers) is wanted"
            )
        bad = np.isnan(values) | (values < 0)
        if bad.any():
            row, layer = np.argwhere(bad)[0]
            raise InputError(
                f"entropy of sentence {row + 1} at layer {layer + 1} is {values[row, layer]}; "
                f"entropies must be at least 0 or +inf ({int(bad.sum())} are not)"
            )
        below = values < self.threshold
        first = np.argmax(below, axis=1) + 1
        layers: NDArray[np.int64] = np.where(below.any(axis=1), first, values.shape[1])
        return layers.astype(np.int64)
