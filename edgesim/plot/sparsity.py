"""Accuracy by share of zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.sparsity_study import SparsityStudy
from edgesim.plot.style import FAINT, MARKERS, axes_or_new, colour, finish, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 4.6
LABELS = {
    ("embedding", "magnitude"): "word table, magnitude, at once",
    ("encoder", "magnitude"): "encoder, magnitude, in training",
    ("encoder", "movement"): "encoder, movement, in training",
}


def sparsity_data(study: SparsityStudy) -> pd.DataFrame:
    """Columns part, method, zeros_percent, accuracy_percent, low_percent and high_percent."""
    frame = study.to_frame()
    own = 100 * study.correct / study.num_sentences
    frame["zeros_percent"] = 100 * frame.zero_fraction
    frame["accuracy_percent"] = 100 * frame.accuracy
    frame["low_percent"] = own + frame.points_low
    frame["high_percent"] = own + frame.points_high
    columns = ["zeros_percent", "accuracy_percent", "low_percent", "high_percent"]
    return frame[["part", "method", *columns]]


def plot_sparsity(study: SparsityStudy, ax: Axes | None = None) -> Axes:
    """Axes with a line per part and method; bars are 95 % intervals of the paired difference."""
    ax = axes_or_new(ax, HEIGHT_INCHES)
    frame = sparsity_data(study)
    for index, (part, method) in enumerate(LABELS):
        rows = frame[(frame.part == part) & (frame.method == method)]
        if rows.empty:
            continue
        spread = [
            (rows.accuracy_percent - rows.low_percent).clip(lower=0),
            (rows.high_percent - rows.accuracy_percent).clip(lower=0),
        ]
        ax.errorbar(
            rows.zeros_percent, rows.accuracy_percent, yerr=spread, color=colour(index),
            marker=MARKERS[index % len(MARKERS)], capsize=3, linewidth=1.6,
            label=LABELS[part, method],
        )  # fmt: skip
    own = 100 * study.correct / study.num_sentences
    ax.axhline(own, color=FAINT, linestyle="--", linewidth=1, label=f"unpruned: {own:.1f} %")
    finish(
        ax, f"{study.weights}: accuracy by share of zeros, {study.num_sentences} sentences",
        "Zeros (%)", "Accuracy at full depth (%)",
    )  # fmt: skip
    legend_below(ax, 2)
    return ax
