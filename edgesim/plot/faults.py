"""Accuracy against the share of memory cells that are misread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.fault_study import FaultStudy
from edgesim.plot.style import FAINT, MARKERS, axes_or_new, colour, finish, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 4.8


def fault_accuracy_data(study: FaultStudy) -> pd.DataFrame:
    """A row per condition: mask_medium, coding, cell_rate, own (the medium's own rate), num_trials,
    accuracy_mean, accuracy_min and accuracy_max at full depth, by rising rate."""
    rows = [
        (
            point.mask_medium, point.coding, point.data_cell_rate, point.widened_to is None,
            len(point.trials), *study.accuracies(point),
        )
        for point in study.points
    ]  # fmt: skip
    columns = [
        "mask_medium", "coding", "cell_rate", "own", "num_trials", "accuracy_mean", "accuracy_min",
        "accuracy_max",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(["mask_medium", "coding", "cell_rate"], ignore_index=True)


def plot_fault_accuracy(study: FaultStudy, ax: Axes | None = None) -> Axes:
    """Axes with mean accuracy and the range of the trials, a line per mask medium and coding."""
    frame = fault_accuracy_data(study)
    ax = axes_or_new(ax, HEIGHT_INCHES)
    shown = frame[frame.cell_rate > 0]
    for index, (key, rows) in enumerate(shown.groupby(["mask_medium", "coding"], sort=False)):
        medium, coding = key
        middle, tint = 100 * rows.accuracy_mean, colour(index)
        spread = [middle - 100 * rows.accuracy_min, 100 * rows.accuracy_max - middle]
        ax.errorbar(
            rows.cell_rate, middle, yerr=spread, color=tint, marker=MARKERS[index], capsize=3,
            linewidth=1.4, elinewidth=0.9, label=f"mask in {medium}, {coding} coding",
        )  # fmt: skip
    free = 100 * study.fault_free.correct / study.num_sentences
    ax.axhline(free, color=FAINT, linestyle="--", linewidth=1, label=f"no faults: {free:.1f} %")
    for rate in sorted(set(shown[shown.own].cell_rate)):
        ax.axvline(rate, color=FAINT, linestyle=":", linewidth=1, label=f"{study.medium} itself")
    if len(shown):
        ax.set_xscale("log")
    finish(
        ax, f"{study.model}: faults in {study.tensor_class}, {study.num_sentences} sentences, "
        f"{int(frame.num_trials.min())} trials a point (bars: least and greatest)",
        "Cells misread (fraction)", "Accuracy at full depth (%)",
    )  # fmt: skip
    legend_below(ax, 2)
    return ax
