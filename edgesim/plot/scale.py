"""How a layer's work grows with the length of the sentence, against what its memory allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.quantity import si_scale
from edgesim.ir.scale import WorkScale
from edgesim.plot.style import FONT_SIZE, INK, axes_or_new, colour, finish, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 4.6
LINES = (
    ("latency_s", "simulated", "-"),
    ("compute_s", "compute", "--"),
    ("memory_s", "memory", ":"),
)


def layer_scale_data(scale: WorkScale) -> pd.DataFrame:
    """Columns num_tokens, layer, latency_s, compute_s, memory_s, waiting_s, bound."""
    rows = [
        (length.num_tokens, layer.layer, layer.latency_s, layer.compute_s, layer.memory_s,
         layer.waiting_s, layer.bound)
        for length in scale.lengths
        for layer in length.layers
    ]  # fmt: skip
    names = ["num_tokens", "layer", "latency_s", "compute_s", "memory_s", "waiting_s", "bound"]
    return pd.DataFrame(rows, columns=names)


def plot_layer_scale(scale: WorkScale, ax: Axes | None = None) -> Axes:
    """Axes with the mean encoder layer: its time, its compute and its transfers per length."""
    frame = layer_scale_data(scale)
    encoder = frame[frame["layer"].str.startswith("layer ")]
    mean = encoder.groupby("num_tokens")[[name for name, _, _ in LINES]].mean()
    ax = axes_or_new(ax, HEIGHT_INCHES)
    factor, unit = si_scale(float(mean.to_numpy().max()), "s")
    tokens = [int(n) for n in mean.index]
    for position, (name, label, style) in enumerate(LINES):
        times = [float(time_s) / factor for time_s in mean[name]]
        ax.plot(tokens, times, style, color=colour(position), marker="o", markersize=4, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(tokens, [str(n) for n in tokens])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:g}")
    finish(
        ax, f"{scale.model} on {scale.chip}: mean encoder layer", "Sentence length (tokens)",
        f"Time per layer ({unit})",
    )  # fmt: skip
    ax.tick_params(labelsize=FONT_SIZE - 1, colors=INK)
    legend_below(ax, len(LINES))
    return ax
