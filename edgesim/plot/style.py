"""What every picture shares: palette, sizes, and how one or several results are taken."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgesim.errors import InputError
from edgesim.ir.labels import distinct_labels
from edgesim.ir.result import SimResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442",
)  # fmt: skip
"""Colours that colour-blind readers tell apart (Okabe and Ito, 2008), without their black."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#333333"
FAINT = "#8a8a8a"
WIDTH_INCHES = 9.0
DPI = 100
FONT_SIZE = 10
LEGEND_BELOW_INCHES = 0.55
LABEL_WIDTH = 30
"""Characters after which a result's label is broken."""

Results = SimResult | Sequence[SimResult]


def as_results(results: Results) -> tuple[SimResult, ...]:
    """One or several results as a tuple; InputError where there is none."""
    found = (results,) if isinstance(results, SimResult) else tuple(results)
    if not found:
        raise InputError("plot: got no results; give at least one")
    return found


def labelled(
    results: Results, labels: Sequence[str] | None = None
) -> tuple[tuple[str, SimResult], ...]:
    """Pairs of a distinct label and a result; `labels` default to `distinct_labels`."""
    found = as_results(results)
    names = distinct_labels(found) if labels is None else tuple(labels)
    if len(names) != len(found) or len(set(names)) != len(names):
        raise InputError(
            f"plot: labels {list(names)} for {len(found)} results; give one distinct label each"
        )
    return tuple(zip(names, found, strict=True))


def axes_or_new(ax: Axes | None, height_inches: float) -> Axes:
    """The given axes, or those of a new figure 9 inches wide."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained", dpi=DPI)
    new: Axes = figure.add_subplot()
    return new


def finish(ax: Axes, title: str, x_label: str, y_label: str) -> None:
    """Title, axis labels, and no more lines than a reader needs."""
    ax.set_title(title, loc="left", fontsize=FONT_SIZE + 1, color=INK)
    ax.set_xlabel(x_label, fontsize=FONT_SIZE, color=INK)
    ax.set_ylabel(y_label, fontsize=FONT_SIZE, color=INK)
    ax.tick_params(labelsize=FONT_SIZE - 1, colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def legend_below(ax: Axes, columns: int, handles: Sequence[Any] | None = None) -> None:
    """Put the legend under the axis label, where no bar can lie."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.figure.get_figure(root=True)
    below = ScaledTranslation(0, -LEGEND_BELOW_INCHES, figure.dpi_scale_trans)
    extra = {} if handles is None else {"handles": handles}
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.45, 0.0), bbox_transform=ax.transAxes + below,
        ncols=columns, frameon=False, fontsize=FONT_SIZE - 1, handlelength=1.8, **extra,
    )  # fmt: skip


def colour(position: int) -> str:
    """The palette's colour of the position, starting over at its end."""
    return PALETTE[position % len(PALETTE)]


def wrapped(label: str) -> str:
    """A label over several lines."""
    return "\n".join(textwrap.wrap(label, LABEL_WIDTH)) or label
