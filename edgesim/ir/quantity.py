"""Quantities as text with SI prefixes: what tables, reports and pictures print."""

from __future__ import annotations

import math

from edgesim.ir.interval import Interval

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"),
             (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))  # fmt: skip
NOT_MODELLED = "not modelled"
NOT_MEASURED = "not measured"
PREFIXED_UNITS = ("s", "J", "J·s", "MAC/s", "B", "B/s", "W", "Hz")
"""Units that take an SI prefix; any other unit, such as mm² or %, is written as it is."""


def digits_text(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, without exponent from 1e-4 to 1e6."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if not -4 <= exponent < 6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def si_scale(value: float, unit: str) -> tuple[float, str]:
    """Factor and unit text that bring a value to 1…1000, such as (1e-3, "ms") for 0.02 s.

    The prefix is chosen after rounding to three digits: 0.9999 s stays "1.00 s".
    """
    if unit not in PREFIXED_UNITS or value == 0 or not math.isfinite(value):
        return 1.0, unit
    rounded = abs(float(f"{value:.2e}"))
    for factor, prefix in _PREFIXES:
        if rounded >= factor:
            return factor, prefix + unit
    return _PREFIXES[-1][0], _PREFIXES[-1][1] + unit


def quantity_text(
    value: float | None, unit: str, digits: int = 3, absent: str = NOT_MODELLED
) -> str:
    """A value with its unit, such as "1.23 ms"; `absent` stands for None."""
    if value is None:
        return absent
    factor, scaled_unit = si_scale(value, unit)
    return f"{digits_text(value / factor, digits)} {scaled_unit}".strip()


def interval_text(
    interval: Interval | None, unit: str, digits: int = 3, absent: str = NOT_MODELLED
) -> str:
    """A value with its range and unit, such as "1.23 [1.10, 1.42] ms"; no range where exact.

    `absent` stands for None.
    """
    if interval is None:
        return absent
    if interval.low == interval.high:
        return quantity_text(interval.value, unit, digits)
    factor, scaled_unit = si_scale(interval.value or interval.high, unit)
    value, low, high = (
        digits_text(end / factor, digits) for end in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}] {scaled_unit}".strip()


def percent_text(share: float | None, digits: int = 3) -> str:
    """A share of 0 to 1 in percent; None is "n/a"."""
    return "n/a" if share is None else f"{digits_text(100 * share, digits)} %"
