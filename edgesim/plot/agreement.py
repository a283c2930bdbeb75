"""Simulated over published figures, row by row, with the range that both span."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edgesim.plot.style import FAINT, FONT_SIZE, INK, PALETTE, axes_or_new, finish, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"pass": PALETTE[2], "out": PALETTE[5], "fitted": FAINT, "shown": PALETTE[0]}

NEAR = 1.5
"""Span of the ratios below which the axis is linear."""
NARROW = 20.0
"""Span of the ratios below which the axis has numbers between the powers of ten."""


def agreement_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns what, verdict, ratio, low, high: simulated over figure, 1 where both agree.

    `rows` is `Comparison.to_frame()`; rows without a simulated value, or with a figure of 0, are
    left out. The ends take a figure's own range at its other end.
    """
    known = rows[rows["simulated"].notna() & (rows["figure"] > 0)]
    low = known["low"].fillna(known["simulated"]) / known["figure_high"].fillna(known["figure"])
    high = known["high"].fillna(known["simulated"]) / known["figure_low"].fillna(known["figure"])
    return pd.DataFrame(
        {
            "what": known["what"], "verdict": known["verdict"],
            "ratio": known["simulated"] / known["figure"], "low": low, "high": high,
        }
    ).reset_index(drop=True)  # fmt: skip


def plot_agreement(rows: pd.DataFrame, title: str, ax: Axes | None = None) -> Axes:
    """Axes with a dot per row at simulated over figure, a line over its range, 1 marked."""
    frame = agreement_data(rows)
    ax = axes_or_new(ax, 1.6 + 0.27 * len(frame))
    for verdict, colour in COLOURS.items():
        mine = frame[frame["verdict"] == verdict]
        if len(mine):
            ax.hlines(mine.index, mine["low"], mine["high"], color=colour, linewidth=2)
            ax.plot(mine["ratio"], mine.index, "o", color=colour, label=verdict, markersize=5)
    ax.axvline(1, color=INK, linewidth=1)
    _ratio_axis(ax)
    ax.grid(axis="x", alpha=0.3)
    ax.set_yticks(list(frame.index), list(frame["what"]), fontsize=FONT_SIZE - 2)
    ax.invert_yaxis()
    finish(ax, title, "Simulated over figure (ratio)", "")
    legend_below(ax, len(COLOURS))
    return ax


def _ratio_axis(ax: Axes) -> None:
    """Plain numbers on a logarithmic axis, or on a linear one where all ratios lie near 1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = ax.get_xlim()
    if low > 0 and high / low < NEAR:
        return
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    steps = (1.0, 1.5, 2.0, 3.0, 5.0) if high / low < NARROW else (1.0,)
    ax.xaxis.set_major_locator(LogLocator(subs=steps))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
