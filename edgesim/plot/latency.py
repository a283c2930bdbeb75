"""Where the time of the mean sentence goes, by op kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.quantity import quantity_text, si_scale
from edgesim.plot.style import (
    FONT_SIZE,
    INK,
    Results,
    axes_or_new,
    colour,
    finish,
    labelled,
    legend_below,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 10
"""Op kinds beyond the largest nine are drawn as one."""
BAND = 0.8
"""Part of a row's height that its bars fill."""


def latency_by_kind_data(results: Results, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Mean time per sentence by op kind: columns result, kind, latency_s.

    Per result the rows sum to its mean latency.
    """
    rows = [
        (label, row.name, row.latency_s)
        for label, result in labelled(results, labels)
        for row in result.breakdown
        if row.group == "kind"
    ]
    frame = pd.DataFrame(rows, columns=["result", "kind", "latency_s"])
    return frame.astype({"latency_s": float})


def latency_height_inches(results: Results) -> float:
    """Height of a figure in which every bar and its figure can be read."""
    pairs = labelled(results)
    rows = len(_table(latency_by_kind_data(results), [label for label, _ in pairs]))
    return 1.4 + rows * (0.1 + 0.14 * len(pairs))


def plot_latency_by_kind(
    results: Results, ax: Axes | None = None, labels: Sequence[str] | None = None
) -> Axes:
    """Axes with a row per op kind and a bar per result, the slowest kind on top."""
    pairs = labelled(results, labels)
    table = _table(latency_by_kind_data(results, labels), [label for label, _ in pairs])
    ax = axes_or_new(ax, latency_height_inches(results))
    longest = float(table.to_numpy().max()) if len(table) else 0.0
    factor, unit = si_scale(longest, "s")
    height = BAND / len(pairs)
    for index, label in enumerate(table.columns):
        offset = (index + 0.5) * height - BAND / 2
        centres = [row + offset for row in range(len(table))]
        times = [float(time_s) for time_s in table[label]]
        ax.barh(
            centres, [time_s / factor for time_s in times], height=0.92 * height,
            color=colour(index), label=label,
        )  # fmt: skip
        for centre, time_s in zip(centres, times, strict=True):
            ax.annotate(
                quantity_text(time_s, "s") if time_s else "–", (time_s / factor, centre),
                xytext=(3, 0), textcoords="offset points", va="center",
                fontsize=FONT_SIZE - 2, color=INK,
            )  # fmt: skip
    ax.set_yticks(range(len(table)), [str(kind).replace("_", " ") for kind in table.index])
    ax.set_ylim(max(len(table), 1) - 0.5, -0.5)
    ax.set_xlim(0, 1.12 * longest / factor or 1.0)
    finish(ax, "Latency by op kind", f"Mean time per sentence ({unit})", "Op kind (name)")
    if len(pairs) > 1:
        legend_below(ax, 3 if len(pairs) <= 3 else 2)
    return ax


def _table(frame: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Kinds × results in seconds, largest share first; kinds beyond MOST_ROWS merged."""
    table = frame.pivot_table(index="kind", columns="result", values="latency_s", aggfunc="sum")
    table = table.reindex(columns=list(labels)).fillna(0.0)
    shares = table / table.sum().where(table.sum() > 0, 1.0)
    largest = shares.max(axis=1).sort_values(ascending=False, kind="stable").index
    if len(largest) <= MOST_ROWS:
        return table.loc[largest]
    kept, small = largest[: MOST_ROWS - 1], largest[MOST_ROWS - 1 :]
    merged = table.loc[small].sum().to_frame(f"{len(small)} other kinds").T
    return pd.concat([table.loc[kept], merged])
