"""Rounding error and accuracy by number format and width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edgesim.errors import InputError
from edgesim.ir.format_study import FormatStudy
from edgesim.plot.style import FAINT, MARKERS, axes_or_new, colour, finish, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 5.2


def format_error_data(study: FormatStudy) -> pd.DataFrame:
    """Columns family, bits, number_format, percent (RMS error over the weights' RMS)."""
    frame = study.to_frame()
    frame["percent"] = 100 * frame.relative_rms_error
    return frame[["family", "bits", "number_format", "percent"]]


def format_accuracy_data(study: FormatStudy) -> pd.DataFrame:
    """Columns family, bits, number_format, percent (accuracy); InputError where none was asked."""
    if study.num_sentences is None:
        raise InputError("this study holds no accuracy; make it with labelled text")
    frame = study.to_frame()
    frame["percent"] = 100 * frame.accuracy
    return frame[["family", "bits", "number_format", "percent"]]


def plot_format_error(study: FormatStudy, ax: Axes | None = None) -> Axes:
    """Axes with the relative RMS error, a line per family."""
    ax = _lines(format_error_data(study), ax)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
    finish(ax, f"{study.weights}: rounding error", "Width (bits)", "RMS error / weight RMS (%)")
    legend_below(ax, 5)
    return ax


def plot_format_accuracy(study: FormatStudy, ax: Axes | None = None) -> Axes:
    """Axes with the accuracy without retraining, a line per family."""
    ax = _lines(format_accuracy_data(study), ax)
    if study.correct is not None and study.num_sentences is not None:
        own = 100 * study.correct / study.num_sentences
        ax.axhline(own, color=FAINT, linestyle="--", linewidth=1, label=f"float32: {own:.1f} %")
    finish(
        ax, f"{study.weights}: accuracy without retraining, {study.num_sentences} sentences",
        "Width (bits)", "Accuracy at full depth (%)",
    )  # fmt: skip
    legend_below(ax, 5)
    return ax


def _lines(frame: pd.DataFrame, ax: Axes | None) -> Axes:
    ax = axes_or_new(ax, HEIGHT_INCHES)
    for index, (family, rows) in enumerate(frame.groupby("family", sort=False)):
        ax.plot(
            rows.bits, rows.percent, color=colour(index), marker=MARKERS[index % len(MARKERS)],
            linewidth=2.2 if index == 0 else 1.3, linestyle="-" if index < 7 else "--",
            label=str(family),
        )  # fmt: skip
    ax.set_xticks(sorted(set(frame.bits)))
    return ax
