"""What each axis of a sweep does to each objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from edgesim.sweeps.labels import value_text

COLUMNS = ["axis", "objective", "variance_share", "worst_over_best", "best_value"]
MOST_VALUES = 12
"""Axes of more values are cut into that many bins of equal counts."""


def sensitivity(
    frame: pd.DataFrame, axes: Sequence[str], minimize: Sequence[str], maximize: Sequence[str]
) -> pd.DataFrame:
    """One row per axis and objective, columns as COLUMNS, strongest axis first.

    `variance_share` is the part of the objective's variance that lies between the axis' values
    (the correlation ratio; in a full grid the first-order Sobol index). `worst_over_best` is the
    ratio of the means at the worst and the best value. Interactions belong to no single axis.
    """
    rows = []
    for objective in (*minimize, *maximize):
        values = frame[objective]
        spread = float(((values - values.mean()) ** 2).sum())
        for axis in axes:
            groups = values.groupby(_binned(frame[axis]), observed=True)
            means, sizes = groups.mean(), groups.size()
            between = float((sizes * (means - values.mean()) ** 2).sum())
            best = means.idxmax() if objective in maximize else means.idxmin()
            ends = sorted((float(means.min()), float(means.max())))
            ratio = ends[1] / ends[0] if ends[0] > 0 else float("inf")
            share = between / spread if spread > 0 else 0.0
            rows.append((axis, objective, min(share, 1.0), ratio, best))
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = {name: number for number, name in enumerate((*minimize, *maximize))}
    ranked = table.assign(order=table["objective"].map(order))
    ranked = ranked.sort_values(["order", "variance_share"], ascending=[True, False], kind="stable")
    return ranked[COLUMNS].reset_index(drop=True)


def _binned(column: pd.Series) -> pd.Series:
    """The axis' values as text, or bins of a continuous axis."""
    if column.nunique(dropna=False) <= MOST_VALUES:
        return column.map(lambda value: value_text(None if _absent(value) else value))
    numbers = pd.to_numeric(column.astype(str).str.split().str[0], errors="coerce")
    if numbers.isna().any():
        return column.map(str)
    return pd.qcut(numbers, MOST_VALUES, duplicates="drop").astype(str)


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))
