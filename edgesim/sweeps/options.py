"""Run options of a space: what each may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from edgesim.ir.exits import STRATEGIES
from edgesim.ir.request import ARITHMETICS
from edgesim.units import parse_quantity


def _number(value: Any) -> bool:
    return isinstance(value, float) and not math.isnan(value)


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 1


NUMBERS = ("exit_threshold", "latency_target_s", "latency_target_fraction")
ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "exit_threshold": (
        lambda v: _number(v) and v >= 0, "nats of at least 0, or null for full depth"),
    "exit_layer": (_whole, "a layer from 1, or null"),
    "strategy": (lambda v: v in STRATEGIES, f"one of {', '.join(STRATEGIES)}, or null"),
    "latency_target_s": (
        lambda v: _number(v) and 0 < v < math.inf, "seconds above 0 or a text such as 50 ms"),
    "latency_target_fraction": (
        lambda v: _number(v) and 0 < v < math.inf, "a share above 0 of each sentence's full time"),
    "pad_to": (_whole, "tokens of at least 1, or null for each sentence's own"),
    "arithmetic": (lambda v: v in ARITHMETICS, f"one of {', '.join(ARITHMETICS)}, or null"),
    "precision": (lambda v: isinstance(v, str), "fp16 or fp32, of a GPU"),
}  # fmt: skip
"""What a run option may be, and how a reader is told."""


def option_value(name: str, value: Any) -> Any:
    """A run option in one form: 0 and 0.0 are the same threshold, 50 ms and 0.05 the same target.

    Raises InputError for a text that is no duration.
    """
    if name == "latency_target_s" and isinstance(value, str):
        return parse_quantity(value, "seconds")
    if name in NUMBERS and type(value) is int:
        return float(value)
    return value


def option_faults(name: str, value: Any) -> list[str]:
    """What is wrong with a value of a run option; None always stands for its absence."""
    if value is None:
        return []
    try:
        plain = option_value(name, value)
    except ValueError as error:
        return [f"{name}: {error}"]
    allowed, words = ALLOWED[name]
    return [] if allowed(plain) else [f"{name}: got {value!r}; {words}"]
