"""What studies of a design space share: steps between values, break-even points, fast runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from edgesim.errors import InputError
from edgesim.ir.result import SimResult

FAST_VARIABLE = "EDGESIM_NOTEBOOKS"
BOUNDS = ("low", "value", "high")


def fast_run() -> bool:
    """Whether a notebook is run for a test, on few points: EDGESIM_NOTEBOOKS=fast."""
    return os.environ.get(FAST_VARIABLE, "") == "fast"


def steps(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Each row's value over that of the row before, under "from → to" of the index."""
    ratios = frame[list(columns)].astype(float) / frame[list(columns)].astype(float).shift(1)
    names = [f"{a} → {b}" for a, b in zip(frame.index[:-1], frame.index[1:], strict=True)]
    return ratios.iloc[1:].set_axis(names, axis=0)


def unit_energy_j(result: SimResult, unit: str, bound: str = "value") -> float:
    """Mean energy of one unit at an end of its range; InputError for a unit that has no row."""
    rows = [row for row in result.breakdown if row.group == "unit" and row.name == unit]
    if not rows or rows[0].energy_j is None:
        known = ", ".join(row.name for row in result.breakdown if row.group == "unit")
        raise InputError(f"no energy of unit {unit!r}; known: {known}")
    return float(getattr(rows[0].energy_j, bound))


def energy_delay_js(result: SimResult, unit: str, unit_bound: str, rest_bound: str) -> float:
    """Energy-delay product with one unit at an end of its range and all others at another.

    What two chips share (memory, regulator) moves together; what is their own moves alone.
    """
    if result.energy_j is None:
        raise InputError(f"{result.chip}: energy was not measured")
    rest = getattr(result.energy_j, rest_bound) - unit_energy_j(result, unit, rest_bound)
    return float((rest + unit_energy_j(result, unit, unit_bound)) * result.latency_s.value)


def holds_over_ranges(winner: SimResult, other: SimResult, unit: str) -> pd.DataFrame:
    """Ratio of energy-delay products, other over winner, at every corner of the ranges.

    Rows: the end of everything shared; columns: the ends of the unit in winner and in other.
    """
    columns = [(mine, theirs) for mine in BOUNDS for theirs in BOUNDS]
    rows = [
        [energy_delay_js(other, unit, theirs, shared) / energy_delay_js(winner, unit, mine, shared)
         for mine, theirs in columns]
        for shared in BOUNDS
    ]  # fmt: skip
    names = [f"{mine} / {theirs}" for mine, theirs in columns]
    return pd.DataFrame(rows, index=list(BOUNDS), columns=names)


def break_even_factor(result: SimResult, unit: str, other_energy_j: float) -> float:
    """By how much a unit's energy must be multiplied for the result to cost `other_energy_j`.

    Negative where even a free unit leaves the result above it.
    """
    own = unit_energy_j(result, unit)
    if result.energy_j is None or own == 0:
        raise InputError(f"{result.chip}: unit {unit!r} has no energy to scale")
    return (other_energy_j - (result.energy_j.value - own)) / own
