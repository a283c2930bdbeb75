"""Unit strings at the border, plain integers and floats inside.

Time is an integer number of picosecond ticks, data is bits, energy pJ, area µm². `KiB` is 1024
bytes and `kB` 1000; `KB` is refused because tools disagree on it.
"""

from __future__ import annotations

import math
import re

from edgesim.errors import InputError

TICKS_PER_S = 10**12
MOST_INT64 = 2**63 - 1

_SCALES: dict[str, dict[str, float]] = {
    "bytes": {
        "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9,
        "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
    },
    "hertz": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "volts": {"V": 1, "mV": 1e-3},
    "bits": {"bit": 1, "bits": 1},
    "watts": {"W": 1, "mW": 1e-3, "uW": 1e-6},
    "seconds": {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12},
    "bytes per second": {"B/s": 1, "MB/s": 1e6, "GB/s": 1e9},
    "flops": {"FLOPS": 1, "GFLOPS": 1e9, "TFLOPS": 1e12},
}  # fmt: skip
_PATTERN = re.compile(r"^\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-z/]+)\s*$")


def parse_quantity(text: object, dimension: str) -> float:
    """The value of a string such as "128 KiB" in bytes, hertz, volts, bits, watts, seconds, …

    Raises InputError for a missing or wrong unit, naming the allowed ones.
    """
    scales = _SCALES[dimension]
    allowed = ", ".join(scales)
    if not isinstance(text, str):
        raise InputError(f"got {text!r}; write a number with a unit of {dimension}: {allowed}")
    match = _PATTERN.match(text)
    if match is None:
        raise InputError(f"got {text!r}; write a number with a unit of {dimension}: {allowed}")
    if match[2] not in scales:
        hint = "; KB is ambiguous, write KiB (1024) or kB (1000)" if match[2] == "KB" else ""
        raise InputError(f"got {text!r}; allowed units of {dimension}: {allowed}{hint}")
    value = float(match[1]) * scales[match[2]]
    if not math.isfinite(value):
        raise InputError(f"got {text!r}, which is beyond every number of {dimension}")
    return value


def parse_whole(text: object, dimension: str) -> int:
    """The value of a string such as "128 KiB" or "64 bit", which must be a whole number."""
    value = parse_quantity(text, dimension)
    if value != int(value):
        raise InputError(f"got {text!r}, which is no whole number of {dimension}")
    return int(value)


def whole_number(text: str) -> int | None:
    """The value of ASCII digits that 64 bits with a sign can hold; None for any other text."""
    if not (text.isascii() and text.isdigit()) or len(text.lstrip("0")) > len(str(MOST_INT64)):
        return None
    value = int(text.lstrip("0") or "0")
    return value if value <= MOST_INT64 else None


def parse_bytes(text: object) -> int:
    """Whole bytes of a string such as "128 KiB"."""
    return parse_whole(text, "bytes")


def quantity_text(value: float, dimension: str) -> str:
    """A value of bytes, hertz, volts or bits as `parse_quantity` reads it back, such as "128 KiB".

    It is a whole number of the largest unit that allows one, else a number of the unit of scale 1.
    """
    scales = _SCALES[dimension]
    for unit, scale in sorted(scales.items(), key=lambda item: -item[1]):
        if scale >= 1 and value >= scale and value % scale == 0:
            return f"{int(value // scale)} {unit}"
    base = next(unit for unit, scale in scales.items() if scale == 1)
    return f"{value!r} {base}"


def period_ticks(frequency_hz: float) -> int:
    """Clock period in integer picosecond ticks, rounded to the nearest."""
    return round(TICKS_PER_S / frequency_hz)


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer division rounded up."""
    return -(-numerator // denominator)
