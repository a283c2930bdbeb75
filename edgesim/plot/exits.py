"""After which layer sentences leave."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.quantity import digits_text
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

HEIGHT_INCHES = 4.2
BAND = 0.8
LEGEND_WIDTH = 52
"""Characters after which a legend entry is broken."""


def exit_layer_data(results: Results, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Share of sentences that leave after each layer: columns result, layer, count, share.

    `layer` is 1-based and every layer has a row; per result the shares sum to 1. Results without
    exit layers, such as models without off-ramps, have no rows.
    """
    rows = []
    for label, result in labelled(results, labels):
        exits = [row.exit_layer for row in result.sentences]
        if any(layer is None for layer in exits):
            continue
        for layer in range(1, result.num_layers + 1):
            count = exits.count(layer)
            rows.append((label, layer, count, count / len(exits)))
    frame = pd.DataFrame(rows, columns=["result", "layer", "count", "share"])
    return frame.astype({"layer": int, "count": int, "share": float})


def plot_exit_layers(
    results: Results, ax: Axes | None = None, labels: Sequence[str] | None = None
) -> Axes:
    """Axes with the share of sentences that leave at each layer, a bar per result.

    Results that leave alike, such as one run on two chips, share their bars.
    """
    frame = exit_layer_data(results, labels)
    ax = axes_or_new(ax, HEIGHT_INCHES)
    alike = _alike(frame)
    width = BAND / max(1, len(alike))
    for index, (shares, names) in enumerate(alike.items()):
        layers = range(1, len(shares) + 1)
        centres = [layer + (index + 0.5) * width - BAND / 2 for layer in layers]
        mean = sum(layer * share for layer, share in zip(layers, shares, strict=True))
        heights = [100 * share for share in shares]
        said = f"mean {digits_text(mean)}: {'; '.join(names)}"
        legend = "\n".join(textwrap.wrap(said, LEGEND_WIDTH))
        ax.bar(centres, heights, width=0.92 * width, color=colour(index), label=legend)
        for centre, height in zip(centres, heights, strict=True):
            if height:
                ax.annotate(
                    f"{height:.0f}" if height >= 1 else "<1", (centre, height), xytext=(0, 2),
                    textcoords="offset points", ha="center", fontsize=FONT_SIZE - 2, color=INK,
                )  # fmt: skip
    ax.set_ylim(0, 108)
    finish(ax, "Where sentences leave", "Exit layer (number)", "Share of sentences (%)")
    if alike:
        last = max(len(shares) for shares in alike)
        ax.set_xticks(range(1, last + 1))
        legend_below(ax, 2)
    else:
        ax.set_xticks([])
        ax.text(
            0.5, 0.5, "no exit layers: every sentence runs to full depth", ha="center",
            transform=ax.transAxes, fontsize=FONT_SIZE, color=INK,
        )  # fmt: skip
    return ax


def _alike(frame: pd.DataFrame) -> dict[tuple[float, ...], list[str]]:
    """Labels by their shares per layer, in order of appearance."""
    found: dict[tuple[float, ...], list[str]] = {}
    for label, rows in frame.groupby("result", sort=False):
        found.setdefault(tuple(float(share) for share in rows["share"]), []).append(str(label))
    return found
