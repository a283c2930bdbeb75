"""Where the energy of the mean sentence goes: chip units, off-chip memory, host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.quantity import interval_text, si_scale
from edgesim.ir.result import BreakdownRow, SimResult
from edgesim.plot.style import (
    FONT_SIZE,
    INK,
    Results,
    as_results,
    axes_or_new,
    colour,
    finish,
    labelled,
    wrapped,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACCOUNTS = ("chip", "offchip", "host")
ACCOUNT_WORDS = {"chip": "chip", "offchip": "off-chip memory", "host": "host"}
HATCHES = {"chip": "", "offchip": "////", "host": "...."}
OFFCHIP_UNITS = ("lpddr4", "ddr")
LEGEND_BELOW_INCHES = 0.55
SMALL_SHARE = 0.02
"""Chip units below this share of every result are drawn as one."""
CUT_FACTOR = 6.0
"""Bars longer than this many times the shortest are cut, so that the others stay readable."""


def energy_by_unit_data(results: Results, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Mean energy per sentence by unit: columns result, account, unit, energy_j, low_j, high_j.

    Rows are ordered chip, off-chip memory, host; per result they sum to its mean energy.
    """
    rows = [
        (label, account_of(row), row.name, row.energy_j.value, row.energy_j.low, row.energy_j.high)
        for label, result in labelled(results, labels)
        for row in sorted(
            (row for row in result.breakdown if row.group == "unit"),
            key=lambda row: ACCOUNTS.index(account_of(row)),
        )
    ]
    columns = ["result", "account", "unit", "energy_j", "low_j", "high_j"]
    return pd.DataFrame(rows, columns=columns)


def account_of(row: BreakdownRow) -> str:
    """Whether a unit counts as chip, off-chip memory or host; told by name where not stated."""
    if row.account in ACCOUNTS:
        return row.account
    if row.name == "host":
        return "host"
    return "offchip" if row.name in OFFCHIP_UNITS else "chip"


def energy_height_inches(results: Results) -> float:
    """Height of a figure that holds a bar per result and the legend."""
    return 2.3 + 0.62 * len(as_results(results))


def plot_energy_by_unit(
    results: Results, ax: Axes | None = None, labels: Sequence[str] | None = None
) -> Axes:
    """Axes with one stacked bar per result; hatching marks off-chip memory and host.

    A bar more than six times as long as the shortest is cut, and says so.
    """
    pairs = labelled(results, labels)
    frame = _merge_small(energy_by_unit_data(results, labels), pairs)
    ax = axes_or_new(ax, energy_height_inches(results))
    limit = _cut_at([result.energy_j.value for _, result in pairs])
    factor, unit = si_scale(limit, "J")
    styles = _styles(frame)
    for position, (label, _) in enumerate(pairs):
        mine = frame[frame["result"] == label]
        _draw_bar(ax, position, mine, styles, limit, factor)
    for position, (_, result) in enumerate(pairs):
        cut = result.energy_j.value > limit
        text = interval_text(result.energy_j, "J") + (", bar cut" if cut else "")
        end = min(result.energy_j.value, limit) / factor
        ax.annotate(
            ("▸ " if cut else "") + text, (end, position), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=FONT_SIZE - 1, color=INK,
        )  # fmt: skip
    ax.set_yticks(range(len(pairs)), [wrapped(label) for label, _ in pairs])
    ax.set_ylim(len(pairs) - 0.4, -0.6)
    ax.set_xlim(0, 1.38 * limit / factor)
    finish(ax, "Energy by unit", f"Mean energy per sentence ({unit})", "Result (chip, settings)")
    _legend(ax, styles)
    return ax


def _cut_at(totals: Sequence[float]) -> float:
    """Length at which bars end: the longest that is within CUT_FACTOR of the shortest."""
    positive = [total for total in totals if total > 0] or [1.0]
    return max(total for total in positive if total <= CUT_FACTOR * min(positive))


def _merge_small(
    frame: pd.DataFrame, pairs: Sequence[tuple[str, SimResult]]
) -> pd.DataFrame:  # fmt: skip
    """Chip units that are small in every result, and more than one, become "other chip units"."""
    totals = {label: result.energy_j.value or 1.0 for label, result in pairs}
    share = frame["energy_j"] / frame["result"].map(totals)
    largest = share.groupby(frame["unit"]).max()
    small = frame["unit"].map(largest) < SMALL_SHARE
    small &= frame["account"] == "chip"
    if frame.loc[small, "unit"].nunique() < 2:
        return frame
    merged = frame.loc[small].groupby("result", sort=False)["energy_j"].sum().reset_index()
    merged["account"], merged["unit"] = "chip", "other chip units"
    kept = pd.concat([frame.loc[~small], merged], ignore_index=True)
    order = kept["account"].map({name: i for i, name in enumerate(ACCOUNTS)})
    return kept.assign(order=order).sort_values("order", kind="stable").drop(columns="order")


def _styles(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[str, str]]:
    """Colour and hatch of each (account, unit), in stacking order."""
    keys = list(dict.fromkeys(zip(frame["account"], frame["unit"], strict=True)))
    keys.sort(key=lambda key: ACCOUNTS.index(key[0]))
    return {key: (colour(i), HATCHES[key[0]]) for i, key in enumerate(keys)}


def _draw_bar(
    ax: Axes, position: int, rows: pd.DataFrame,
    styles: dict[tuple[str, str], tuple[str, str]], limit: float, factor: float,
) -> None:  # fmt: skip
    left = 0.0
    for account, unit, energy in zip(rows["account"], rows["unit"], rows["energy_j"], strict=True):
        width = min(energy, max(0.0, limit - left))
        face, hatch = styles[account, unit]
        ax.barh(
            position, width / factor, left=left / factor, height=0.62, color=face, hatch=hatch,
            edgecolor="white", linewidth=0.8,
        )  # fmt: skip
        left += energy


def _legend(ax: Axes, styles: dict[tuple[str, str], tuple[str, str]]) -> None:
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    handles = [
        Patch(
            facecolor=face, hatch=hatch, edgecolor="white",
            label=unit if account == "chip" else f"{unit} ({ACCOUNT_WORDS[account]})",
        )
        for (account, unit), (face, hatch) in styles.items()
    ]  # fmt: skip
    figure = ax.figure.get_figure(root=True)
    below = ScaledTranslation(0, -LEGEND_BELOW_INCHES, figure.dpi_scale_trans)
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.4, 0.0), ncols=4, frameon=False,
        bbox_transform=ax.transAxes + below, fontsize=FONT_SIZE - 1, handlelength=1.8,
    )  # fmt: skip
