"""Where the energy of the mean sentence goes: chip units, off-chip memory, host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from edgesim.ir.interval import Interval
from edgesim.ir.quantity import NOT_MEASURED, interval_text, si_scale
from edgesim.ir.result import BreakdownRow, SimResult
from edgesim.plot.style import (
    FONT_SIZE,
    INK,
    PALETTE,
    Results,
    as_results,
    axes_or_new,
    colour,
    finish,
    labelled,
    legend_below,
    wrapped,
)  # fmt: skip
from edgesim.tech import media_of_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACCOUNTS = ("chip", "offchip", "host")
ACCOUNT_WORDS = {"chip": "chip", "offchip": "off-chip memory", "host": "host"}
OFFCHIP_COLOURS, OFFCHIP_HATCH = ("#000000", "#5c5c5c"), "////"
HOST_COLOUR, HOST_HATCH = "#ffffff", "...."
OTHER_UNITS, OTHER_COLOUR, CUT_COLOUR = "other chip units", "#a6a6a6", "#dddddd"
GPU_MEMORY = "ddr"
BAR_HEIGHT = 0.62
CUT_FACTOR = 6.0
"""Bars longer than this many times the shortest are cut, so that the others stay readable."""


def energy_by_unit_data(results: Results, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Mean energy per sentence by unit: columns result, account, unit, energy_j, low_j, high_j.

    Rows are ordered chip, off-chip memory, host; per result they sum to its mean energy. A result
    whose energy was not measured has no rows.
    """
    rows = [
        (label, account_of(row), row.name, energy.value, energy.low, energy.high)
        for label, result in labelled(results, labels)
        for row in sorted(
            (row for row in result.breakdown if row.group == "unit"),
            key=lambda row: ACCOUNTS.index(account_of(row)),
        )
        if (energy := row.energy_j) is not None
    ]
    columns = ["result", "account", "unit", "energy_j", "low_j", "high_j"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(dict.fromkeys(columns[3:], float))


def account_of(row: BreakdownRow) -> str:
    """Whether a unit counts as chip, off-chip memory or host; told by name where not stated."""
    if row.account in ACCOUNTS:
        return row.account
    if row.name == "host":
        return "host"
    offchip = (GPU_MEMORY, *media_of_class("dram"))
    return "offchip" if row.name in offchip else "chip"


def energy_height_inches(results: Results) -> float:
    """Height of a figure that holds a bar per result and the legend."""
    return 2.3 + 0.62 * len(as_results(results))


def plot_energy_by_unit(
    results: Results, ax: Axes | None = None, labels: Sequence[str] | None = None,
    *, chip_only: bool = False,
) -> Axes:  # fmt: skip
    """Axes with one stacked bar per result; hatching marks off-chip memory and host.

    A bar more than six times as long as the shortest is cut, and says so. `chip_only` leaves out
    off-chip memory and host, which may dwarf the chip.
    """
    pairs = labelled(results, labels)
    frame = energy_by_unit_data(results, labels)
    ax = axes_or_new(ax, energy_height_inches(results))
    shown = {label: one.chip_energy_j if chip_only else one.energy_j for label, one in pairs}
    frame = frame[frame["account"] == "chip"] if chip_only else frame
    totals = {label: energy.value if energy else 0.0 for label, energy in shown.items()}
    limit = _cut_at(list(totals.values()))
    whole = frame[frame["result"].map(totals) <= limit]
    drawn = _merge_small(whole, totals)
    factor, unit = si_scale(limit, "J")
    styles = _styles(drawn)
    for position, (label, result) in enumerate(pairs):
        if totals[label] > limit:
            ax.barh(position, limit / factor, height=BAR_HEIGHT, color=CUT_COLOUR)
        else:
            _draw_bar(ax, position, drawn[drawn["result"] == label], styles, factor)
        ax.annotate(
            _bar_text(shown[label], None if chip_only else result, totals[label] > limit),
            (min(totals[label], limit) / factor, position), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=FONT_SIZE - 2, color=INK,
        )  # fmt: skip
    ax.set_yticks(range(len(pairs)), [wrapped(label) for label, _ in pairs])
    ax.set_ylim(len(pairs) - 0.4, -0.6)
    ax.set_xlim(0, 1.55 * limit / factor)
    title = "Energy on chip by unit" if chip_only else "Energy by unit"
    finish(ax, title, f"Mean energy per sentence ({unit})", "Result (chip, settings)")
    _legend(ax, styles)
    return ax


def _bar_text(energy: Interval | None, result: SimResult | None, cut: bool) -> str:
    """Total with range, that the bar is cut where it is, and how a whole result splits."""
    if energy is None:
        return NOT_MEASURED
    text = interval_text(energy, "J") + (" (bar cut)" if cut else "")
    if result is None:
        return text
    parts = (result.chip_energy_j, result.offchip_energy_j, result.host_energy_j)
    total = (result.energy_j.value if result.energy_j else 0.0) or 1.0
    split = ", ".join(
        f"{words} {_percent(100 * part.value / total)} %"
        for words, part in zip(("chip", "off-chip", "host"), parts, strict=True)
        if part is not None and part.value > 0
    )
    return f"{text}\n{split}"


def _percent(percent: float) -> str:
    return f"{percent:.0f}" if percent >= 0.5 else "<1"


def _cut_at(totals: Sequence[float]) -> float:
    """Length at which bars end: the longest that is within CUT_FACTOR of the shortest."""
    positive = [total for total in totals if total > 0] or [1.0]
    return max(total for total in positive if total <= CUT_FACTOR * min(positive))


def _merge_small(frame: pd.DataFrame, totals: Mapping[str, float]) -> pd.DataFrame:
    """Chip units beyond the palette, smallest share of any result first, become one."""
    share = frame["energy_j"] / frame["result"].map({k: v or 1.0 for k, v in totals.items()})
    chip = frame["account"] == "chip"
    largest = share[chip].groupby(frame.loc[chip, "unit"]).max().sort_values(ascending=False)
    if len(largest) <= len(PALETTE):
        return frame
    small = chip & frame["unit"].isin(largest.index[len(PALETTE) :])
    merged = frame.loc[small].groupby("result", sort=False)["energy_j"].sum().reset_index()
    merged["account"], merged["unit"] = "chip", OTHER_UNITS
    kept = pd.concat([frame.loc[~small], merged], ignore_index=True)
    order = kept["account"].map({name: i for i, name in enumerate(ACCOUNTS)})
    return kept.assign(order=order).sort_values("order", kind="stable").drop(columns="order")


def _styles(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[str, str]]:
    """Colour and hatch of each (account, unit), in stacking order."""
    keys = list(dict.fromkeys(zip(frame["account"], frame["unit"], strict=True)))
    keys.sort(key=lambda key: ACCOUNTS.index(key[0]))
    styles = {}
    for position, (account, unit) in enumerate(keys):
        before = sum(key[0] == account for key in keys[:position])
        if account == "offchip":
            style = (OFFCHIP_COLOURS[before % len(OFFCHIP_COLOURS)], OFFCHIP_HATCH)
        elif account == "host":
            style = (HOST_COLOUR, HOST_HATCH)
        else:
            style = (OTHER_COLOUR if unit == OTHER_UNITS else colour(before), "")
        styles[account, unit] = style
    return styles


def _draw_bar(
    ax: Axes, position: int, rows: pd.DataFrame,
    styles: dict[tuple[str, str], tuple[str, str]], factor: float,
) -> None:  # fmt: skip
    left = 0.0
    for account, unit, energy in zip(rows["account"], rows["unit"], rows["energy_j"], strict=True):
        face, hatch = styles[account, unit]
        ax.barh(
            position, energy / factor, left=left / factor, height=BAR_HEIGHT, color=face,
            hatch=hatch, edgecolor=_edge(account), linewidth=0.4,
        )  # fmt: skip
        left += energy


def _edge(account: str) -> str:
    return INK if account == "host" else "white"


def _legend(ax: Axes, styles: dict[tuple[str, str], tuple[str, str]]) -> None:
    from matplotlib.patches import Patch

    handles = []
    for (account, unit), (face, hatch) in styles.items():
        name = unit if account in ("chip", unit) else f"{unit} ({ACCOUNT_WORDS[account]})"
        handles.append(Patch(facecolor=face, hatch=hatch, edgecolor=_edge(account), label=name))
    legend_below(ax, 5, handles)
