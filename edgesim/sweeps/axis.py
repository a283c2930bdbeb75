"""Axes: the values that one choice of a design may take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgesim.errors import InputError

OPTIONS = (
    "exit_threshold", "exit_layer", "strategy", "latency_target_s", "latency_target_fraction",
    "pad_to", "arithmetic", "precision",
)  # fmt: skip
"""Run options that an axis may be named after."""
RESERVED = ("chip", "model", *OPTIONS)
_QUANTITY = re.compile(r"^\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-z/]*)\s*$")
_RANGE_KEYS = {"low", "high", "num", "log"}

_CONTINUOUS = ("exit_threshold", "latency_target_s", "latency_target_fraction")
"""Options between whole numbers of which there are others."""
_SMALLER = {
    "kB": ("B", 1000), "MB": ("kB", 1000), "GB": ("MB", 1000),
    "KiB": ("B", 1024), "MiB": ("KiB", 1024), "GiB": ("MiB", 1024),
}  # fmt: skip
"""A unit of bytes to the next smaller one and how many of those it is."""
_COUNTED = ("B", "bit", "bits", *_SMALLER)

Setting = dict[str, Any]
"""Chip paths, options, `chip` and `model` with their values."""


@dataclass(frozen=True)
class Range:
    """A continuous axis from low to high, both included."""

    low: float
    high: float
    unit: str = ""
    """Unit of quantities, such as V; empty for plain numbers."""
    num: int | None = None
    """Values of a grid."""
    log: bool = False
    whole: bool = False
    """Whether only whole numbers are taken; of bytes, whole ones of the next smaller unit."""

    def at(self, share: float) -> float:
        """The number at a share of 0 to 1 of the way, in equal steps or equal ratios."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share

    def value(self, number: float) -> Any:
        """A number as it is written in a chip file, with six digits."""
        if self.whole:
            return self._whole_value(number)
        return f"{number:.6g} {self.unit}" if self.unit else float(f"{number:.6g}")

    def _whole_value(self, number: float) -> Any:
        smaller, ratio = _SMALLER.get(self.unit, (self.unit, 1))
        found = round(number * ratio)
        if found % ratio == 0:
            found, smaller = found // ratio, self.unit
        return f"{found} {smaller}" if smaller else found


@dataclass(frozen=True, eq=False)
class Axis:
    """A named axis with its values, or its range."""

    name: str
    values: tuple[Any, ...] = ()
    range: Range | None = None

    @property
    def grid_size(self) -> int:
        """Values of a grid; InputError for a range without `num`."""
        if self.range is None:
            return len(self.values)
        if self.range.num is None:
            raise InputError(
                f"{self.name}: a grid needs num, how many values to take from the range; "
                "or search at random, by sobol or by nsga2"
            )
        return self.range.num

    def grid(self) -> tuple[Any, ...]:
        """The values of a grid; InputError for a range without `num`."""
        if self.range is None:
            return self.values
        steps = max(1, self.grid_size - 1)
        return tuple(self.range.value(self.range.at(i / steps)) for i in range(self.grid_size))

    def at(self, share: float) -> Any:
        """The value at a share of 0 to 1 of the axis."""
        if self.range is not None:
            return self.range.value(self.range.at(share))
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def setting(self, value: Any) -> Setting:
        """What a value sets: itself under the axis' name, or the several that it maps."""
        return dict(value) if isinstance(value, Mapping) else {self.name: value}


def parse_axis(name: str, given: object) -> Axis:
    """The axis of a list of values or of a range; InputError says what is wrong."""
    if isinstance(given, Mapping):
        return Axis(name, range=_range(name, given))
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(f"got {given!r}; a list of values or a range with low and high")
    if len(given) == 0:
        raise InputError("has no values; give at least one or leave the axis out")
    mappings = [isinstance(value, Mapping) for value in given]
    if any(mappings) and not all(mappings):
        raise InputError("values that set several paths and single values cannot be mixed")
    texts = [repr(value) for value in given]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise InputError(f"names {', '.join(twice)} more than once")
    return Axis(name, tuple(given))


def _range(name: str, given: Mapping[str, Any]) -> Range:
    unknown = sorted(set(given) - _RANGE_KEYS)
    if unknown or not {"low", "high"} <= set(given):
        raise InputError(
            f"a range has low and high, and may have num and log; got {', '.join(given) or 'none'}"
        )
    (low, unit), (high, other) = (_number(given[end]) for end in ("low", "high"))
    if unit != other:
        raise InputError(f"low is in {unit or 'plain numbers'}, high in {other or 'plain numbers'}")
    if not low < high:
        raise InputError(f"low {low:g} is not below high {high:g}")
    num, log = given.get("num"), given.get("log", False)
    if num is not None and (type(num) is not int or num < 2):
        raise InputError(f"num: got {num!r}; a whole number of at least 2")
    if type(log) is not bool or (log and low <= 0):
        raise InputError(f"log: got {log!r} for low {low:g}; true or false, and true above 0 only")
    plain = type(given["low"]) is int and type(given["high"]) is int and name not in _CONTINUOUS
    if plain and num is not None and num > high - low + 1:
        raise InputError(
            f"num: got {num}; {low:g} to {high:g} are {high - low + 1:g} whole numbers"
        )
    return Range(low, high, unit, num, log, plain or unit in _COUNTED)


def _number(given: object) -> tuple[float, str]:
    """Number and unit of an end of a range."""
    if isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given):
        return float(given), ""
    match = _QUANTITY.match(given) if isinstance(given, str) else None
    if match is None:
        raise InputError(f"got {given!r}; a number, or a quantity such as 0.6 V")
    return float(match[1]), match[2]
