"""A latency target, and what a voltage schedule did to meet it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.quantity import quantity_text


@dataclass(frozen=True)
class LatencyTarget:
    """Seconds, or a fraction of what each sentence takes at full depth and full speed."""

    seconds: float | None = None
    fraction: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.seconds, self.fraction) if value is not None]
        if len(given) != 1:
            raise InputError("a latency target is given in seconds or as a fraction, one of both")
        value = given[0]
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise InputError(f"latency target {value!r}: a number is wanted")
        if not math.isfinite(value) or value <= 0:
            raise InputError(f"latency target {value}: a finite number above 0 is wanted")

    @classmethod
    def of(cls, seconds: float | None, fraction: float | None) -> LatencyTarget | None:
        """The target, or None where neither is given."""
        return None if seconds is None and fraction is None else cls(seconds, fraction)

    def words(self) -> str:
        """The target in a few words."""
        if self.seconds is not None:
            return quantity_text(self.seconds, "s")
        return f"{self.fraction:g} x the full-depth, full-speed time"


@dataclass(frozen=True)
class OperatingPoint:
    """A voltage and the clock that it carries."""

    number: int
    """Its id in the log: 0 is the slowest point of the chip."""
    voltage_v: float
    frequency_hz: float

    def words(self) -> str:
        """Such as `518 MHz at 0.5 V`."""
        return f"{self.frequency_hz / 1e6:g} MHz at {self.voltage_v:g} V"


@dataclass(frozen=True, eq=False)
class VoltageSchedule:
    """What was chosen for every sentence; arrays are (num_sentences,)."""

    points: tuple[OperatingPoint, ...]
    """Slowest first; the last is full speed."""
    chosen: NDArray[np.int64]
    """Index into `points` of what follows layer 1; the last where nothing changed."""
    decided: NDArray[np.bool_]
    """False for a sentence that left after layer 1, ahead of any choice."""
    target_ticks: NDArray[np.int64]
    missed: NDArray[np.bool_]
    planned_layers: NDArray[np.int64]
    unsure: NDArray[np.bool_]
