"""A value with the range that its sources span."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Nominal value with low ≤ value ≤ high; sums take all terms at the same end."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Interval:
        """A value without spread."""
        return cls(value, value, value)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def scaled(self, factor: float) -> Interval:
        """Multiplied by a non-negative number."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def over(self, other: Interval) -> Interval:
        """Ratio of two independent positive intervals: its ends are the extreme ratios."""
        return Interval(self.value / other.value, self.low / other.high, self.high / other.low)

    def times(self, other: Interval) -> Interval:
        """Product of two independent non-negative intervals."""
        return Interval(self.value * other.value, self.low * other.low, self.high * other.high)

    def to_json(self) -> dict[str, float]:
        """As a JSON object with `value`, `low` and `high`."""
        return {"value": self.value, "low": self.low, "high": self.high}


ZERO = Interval(0.0, 0.0, 0.0)
