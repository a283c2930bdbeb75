"""When a sentence leaves: exit policies, and what each decides for a workload."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.ir.predictor import ExitPredictor

RampRule = Literal["every", "ends", "last"]
"""Ramps that run: all up to the exit; the first and the one of the exit; that of the exit alone."""
STRATEGIES = ("no-exit", "fixed", "entropy", "latency-aware")


@dataclass(frozen=True, eq=False)
class ExitDecision:
    """Where the sentences of a workload leave."""

    exit_layers: NDArray[np.int64]
    """1-based layer after which each sentence leaves, (num_sentences,)."""
    planned_layers: NDArray[np.int64]
    """Layer that each sentence is planned to at the latest, known after layer 1."""
    ramps: RampRule
    strategy: str
    """One of STRATEGIES."""
    unsure: NDArray[np.bool_]
    """Sentences that leave with an entropy at or above the threshold, ahead of the last layer."""

    @property
    def checks_entropy(self) -> bool:
        """Whether any exit follows from an entropy."""
        return self.ramps != "last"


class ExitPolicy(Protocol):
    """A rule that says where sentences leave."""

    def decide(self, entropies: ArrayLike | None, count: int, num_layers: int) -> ExitDecision:
        """Exits of `count` sentences; `entropies` is (count, num_layers) or None."""

    def words(self) -> str:
        """The rule in a few words, for reports."""


@dataclass(frozen=True)
class FullDepth:
    """No exit: the last layer, and its ramp alone."""

    def decide(self, entropies: ArrayLike | None, count: int, num_layers: int) -> ExitDecision:
        """Every sentence at the last layer."""
        return _known_depth(count, num_layers, "no-exit")

    def words(self) -> str:
        """The rule in a few words."""
        return "off"


@dataclass(frozen=True)
class FixedExit:
    """Leave after the same layer always; no entropy is computed on the way."""

    layer: int
    """1-based."""

    def __post_init__(self) -> None:
        if isinstance(self.layer, bool) or not isinstance(self.layer, int) or self.layer < 1:
            raise InputError(f"exit layer {self.layer!r}: a whole number of at least 1 is wanted")

    def decide(self, entropies: ArrayLike | None, count: int, num_layers: int) -> ExitDecision:
        """Every sentence at the layer; InputError where the model has fewer."""
        if self.layer > num_layers:
            raise InputError(f"exit layer {self.layer}: the model has {num_layers} layers")
        return _known_depth(count, self.layer, "fixed")

    def words(self) -> str:
        """The rule in a few words."""
        return f"after layer {self.layer}"


@dataclass(frozen=True)
class EntropyExit:
    """Leave at the first layer whose entropy lies strictly below `threshold` (DeeBERT, 2020)."""

    threshold: float
    """Entropy in nats, not negative; 0 never leaves early, +inf leaves at the first ramp."""

    def __post_init__(self) -> None:
        check_threshold(self.threshold)

    def exit_layers(self, entropies: ArrayLike) -> NDArray[np.int64]:
        """1-based exit layer of each sentence, from entropies (num_sentences, num_layers).

        A sentence with no entropy below the threshold exits at the last layer. +inf is a ramp
        that never exits; NaN, negative values or another shape raise InputError.
        """
        values = checked_entropies(entropies)
        below = values < self.threshold
        first = np.argmax(below, axis=1) + 1
        layers: NDArray[np.int64] = np.where(below.any(axis=1), first, values.shape[1])
        return layers.astype(np.int64)

    def decide(self, entropies: ArrayLike | None, count: int, num_layers: int) -> ExitDecision:
        """Exits by entropy; nothing is known ahead, so every sentence is planned to full depth."""
        layers = self.exit_layers(_wanted(entropies))
        full = np.full(count, num_layers, dtype=np.int64)
        return ExitDecision(layers, full, "every", "entropy", np.zeros(count, dtype=np.bool_))

    def words(self) -> str:
        """The rule in a few words."""
        return f"entropy < {self.threshold:g}"


@dataclass(frozen=True)
class ForecastExit:
    """Leave at the layer that the predictor names after layer 1, or before it (EdgeBERT, 2021).

    A sentence whose layer-1 entropy lies below the threshold leaves there. Every other leaves at
    its forecast layer at the latest, unsure or not; its answer is that ramp's.
    """

    threshold: float
    """Entropy in nats that an exit and a forecast must lie strictly below."""
    predictor: ExitPredictor
    check_on_the_way: bool = True
    """Whether the ramps between layer 1 and the forecast layer may let a sentence go earlier."""
    slack_layers: int = 0
    """Layers granted beyond the forecast."""

    def __post_init__(self) -> None:
        check_threshold(self.threshold)
        slack = self.slack_layers
        if isinstance(slack, bool) or not isinstance(slack, int) or slack < 0:
            raise InputError(f"slack layers {slack!r}: a whole number of at least 0 is wanted")

    def forecast_layers(self, entropies: ArrayLike) -> NDArray[np.int64]:
        """Latest exit layer of each sentence, slack included, (num_sentences,)."""
        values = checked_entropies(entropies)
        layers = values.shape[1]
        self.predictor.check_layers(layers)
        forecast = self.predictor.forecast_layers(values[:, 0], self.threshold)
        granted = np.minimum(forecast + self.slack_layers, layers)
        return np.where(forecast == 1, 1, granted).astype(np.int64)

    def exit_layers(self, entropies: ArrayLike) -> NDArray[np.int64]:
        """1-based exit layer of each sentence, from entropies (num_sentences, num_layers)."""
        planned = self.forecast_layers(entropies)
        if not self.check_on_the_way:
            return planned
        return np.minimum(planned, EntropyExit(self.threshold).exit_layers(entropies))

    def decide(self, entropies: ArrayLike | None, count: int, num_layers: int) -> ExitDecision:
        """Exits and forecasts; InputError where the table does not fit the model."""
        values = checked_entropies(_wanted(entropies))
        layers, planned = self.exit_layers(values), self.forecast_layers(values)
        at_exit = values[np.arange(len(values)), layers - 1]
        unsure = (at_exit >= self.threshold) & (layers < num_layers)
        rule: RampRule = "every" if self.check_on_the_way else "ends"
        return ExitDecision(layers, planned, rule, "latency-aware", unsure)

    def words(self) -> str:
        """The rule in a few words."""
        checks = "at the latest" if self.check_on_the_way else "only"
        slack = f" + {self.slack_layers}" if self.slack_layers else ""
        return f"entropy < {self.threshold:g} after layer 1, then at the forecast layer{slack} " + (
            checks
        )


def check_threshold(value: object) -> None:
    """InputError unless the value is a threshold in nats."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InputError(f"exit threshold {value!r}: a number of nats, at least 0, is wanted")
    if math.isnan(float(value)) or float(value) < 0:
        raise InputError(f"exit threshold {value}: must be at least 0 nats and not NaN")


def checked_entropies(entropies: ArrayLike) -> NDArray[np.float64]:
    """Entropies as (num_sentences, num_layers); InputError for NaN, negative or another shape."""
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
    return values


def _wanted(entropies: ArrayLike | None) -> ArrayLike:
    if entropies is None:
        raise InputError(
            "early exit needs a workload with entropies (--workload W or --sentences F)"
        )
    return entropies


def _known_depth(count: int, layer: int, strategy: str) -> ExitDecision:
    layers = np.full(count, layer, dtype=np.int64)
    return ExitDecision(layers, layers, "last", strategy, np.zeros(count, dtype=np.bool_))
