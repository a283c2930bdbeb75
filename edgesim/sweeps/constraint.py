"""Constraints as text: one comparison of a figure with a number, such as "area_mm2 <= 2"."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgesim.errors import InputError
from edgesim.ir.figures import FIGURES, INTERVALS

COLUMNS = (*FIGURES, *(f"{name}_{end}" for name in INTERVALS for end in ("low", "high")))
"""Figures that constraints and objectives may name."""
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_PATTERN = re.compile(r"^\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*$")


@dataclass(frozen=True)
class Constraint:
    """A bound on one figure."""

    column: str
    relation: str
    bound: float

    @property
    def text(self) -> str:
        """As a reader writes it."""
        return f"{self.column} {self.relation} {self.bound:g}"

    def violation(self, figures: Mapping[str, Any]) -> str | None:
        """What is wrong with a point, or None where the bound holds."""
        value = figures.get(self.column)
        if value is None:
            return f"{self.text}: {self.column} is not modelled"
        if _OPERATORS[self.relation](float(value), self.bound):
            return None
        return f"{self.text}: is {float(value):.4g}"

    def excess(self, figures: Mapping[str, Any]) -> float:
        """How far a point is beyond the bound, relative to it; at most 0 where it holds."""
        value = figures.get(self.column)
        if value is None:
            return 1.0
        gap = (float(value) - self.bound) / (abs(self.bound) or 1.0)
        beyond = gap if self.relation.startswith("<") else -gap
        return max(beyond, 1e-12) if self.violation(figures) else min(beyond, 0.0)


def parse_constraint(text: object) -> Constraint:
    """The constraint of a text; InputError names the known figures nearest to a wrong one."""
    match = _PATTERN.match(text) if isinstance(text, str) else None
    if match is None:
        raise InputError(
            f'got {text!r}; write FIGURE <= NUMBER, such as "area_mm2 <= 2"; also >=, <, >'
        )
    return Constraint(known_column(match[1]), match[2], float(match[3]))


def known_column(name: str) -> str:
    """The name, if it is a figure; InputError with the nearest ones otherwise."""
    if name in COLUMNS:
        return name
    near = difflib.get_close_matches(name, COLUMNS, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(f"no figure {name!r}; {hint}known: {', '.join(FIGURES)}")
