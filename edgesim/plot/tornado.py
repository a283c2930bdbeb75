"""Which families of technology entries move the energy most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.quantity import si_scale
from edgesim.ir.uncertainty import Uncertainty
from edgesim.plot.style import FONT_SIZE, INK, axes_or_new, colour, finish

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 12


def tornado_data(found: Uncertainty) -> pd.DataFrame:
    """Columns family, low_j, nominal_j, high_j, widest first."""
    rows = [(s.family, s.energy_j.low, s.energy_j.value, s.energy_j.high) for s in found.swings]
    return pd.DataFrame(rows, columns=["family", "low_j", "nominal_j", "high_j"])


def plot_tornado(found: Uncertainty, ax: Axes | None = None) -> Axes:
    """Axes with a bar per family from one end of the energy to the other, the widest on top."""
    frame = tornado_data(found).head(MOST_ROWS)
    ax = axes_or_new(ax, 1.4 + 0.32 * len(frame))
    factor, unit = si_scale(float(frame["high_j"].max()), "J")
    nominal = float(frame["nominal_j"].iloc[0]) / factor
    low, high = frame["low_j"] / factor, frame["high_j"] / factor
    places = list(range(len(frame)))
    ax.barh(places, nominal - low, left=low, color=colour(0), height=0.7, label="low end")
    ax.barh(places, high - nominal, left=nominal, color=colour(1), height=0.7, label="high end")
    ax.legend(frameon=False, loc="lower right", fontsize=FONT_SIZE - 1)
    ax.use_sticky_edges = False
    ax.axvline(nominal, color=INK, linewidth=1)
    ax.set_yticks(places, list(frame["family"]), fontsize=FONT_SIZE - 1)
    ax.invert_yaxis()
    finish(
        ax, f"{found.chip}: energy with one family of entries at its ends, others nominal",
        f"Energy per sentence ({unit})", "",
    )  # fmt: skip
    return ax
