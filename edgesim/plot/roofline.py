"""Op kinds of the mean sentence against what arithmetic and memory allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edgesim.ir.quantity import quantity_text
from edgesim.ir.result import SimResult
from edgesim.plot.style import (
    FAINT,
    FONT_SIZE,
    INK,
    MARKERS,
    Results,
    axes_or_new,
    colour,
    finish,
    labelled,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 5.6
MACS_PER_GMAC = 1e9
DECADES_AROUND = 0.6
EDGE_DECADES = 0.12
"""Room around points and ridges, in decades."""
COLUMNS = [
    "result", "kind", "macs", "traffic_bytes", "latency_s", "intensity_macs_per_byte",
    "macs_per_s", "attainable_macs_per_s",
]  # fmt: skip
SAME_LABEL_PIXELS = 30.0
LABEL_ROOM_PIXELS = 3.0
LABEL_RADII_POINTS = (9, 18, 30, 44, 60)
LABEL_ANGLES = (0, 180, 30, -30, 150, -150, 60, -60, 120, -120, 90, -90)
"""Where a label is tried around its point, nearest first; angles in degrees."""


def roofline_data(results: Results, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per result and op kind, columns as COLUMNS.

    Kinds without traffic have infinite intensity; the attainable rate is the smaller of the
    chip's peak and bandwidth times intensity (Williams, Waterman and Patterson, 2009).
    """
    rows = []
    for label, result in labelled(results, labels):
        for point in result.roofline:
            traffic = point.traffic_bytes
            intensity = point.macs / traffic if traffic > 0 else math.inf
            rate = point.macs / point.latency_s if point.latency_s > 0 else 0.0
            peak, bandwidth = roof_of(result)
            reach = bandwidth * intensity if point.macs > 0 else 0.0
            attainable = min(peak, reach)
            rows.append((label, point.name, point.macs, traffic, point.latency_s, intensity,
                         rate, attainable))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[2:], float))


def roof_of(result: SimResult) -> tuple[float, float]:
    """Peak MAC/s and byte/s of a result; (nan, nan) where it has no roofline."""
    if result.peak_macs_per_s is None or result.memory_bytes_per_s is None:
        return math.nan, math.nan
    return result.peak_macs_per_s, result.memory_bytes_per_s


def plot_roofline(
    results: Results, ax: Axes | None = None, labels: Sequence[str] | None = None
) -> Axes:
    """Log-log axes with the attainable line of each chip and a point per op kind.

    Results without a roofline, or without points where others have some, are left out. A kind
    without traffic stands at the right edge as an arrow; kinds without multiply-accumulates cannot
    be shown and are named below.
    """
    pairs = labelled(results, labels)
    with_roof = tuple(pair for pair in pairs if pair[1].peak_macs_per_s is not None)
    pairs = tuple(pair for pair in with_roof if pair[1].roofline) or with_roof or pairs
    frame = roofline_data([result for _, result in pairs], [label for label, _ in pairs])
    shown = frame[(frame["macs"] > 0) & (frame["macs_per_s"] > 0)]
    ax = axes_or_new(ax, HEIGHT_INCHES)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ridges = [peak / bandwidth for peak, bandwidth in (roof_of(result) for _, result in pairs)]
    left, right = _x_range(shown, ridges)
    _draw_roofs(ax, [result for _, result in pairs], left, right)
    texts = []
    kinds = list(dict.fromkeys(shown["kind"]))
    for index, (label, _) in enumerate(pairs):
        texts += _draw_points(ax, shown[shown["result"] == label], colour(index), kinds, right)
    ax.set_xlim(left, right)
    ax.set_ylim(*_y_range(shown, pairs))
    finish(ax, "Roofline of the mean sentence", "Operational intensity (MAC/byte)",
           "Throughput (GMAC/s)")  # fmt: skip
    ax.grid(visible=True, which="major", color="#e6e6e6", linewidth=0.6, zorder=0)
    _caption(ax, frame)
    _legend(ax, [label for label, _ in pairs], bool(len(shown)))
    _spread_labels(ax, texts)
    return ax


def _draw_roofs(ax: Axes, results: Sequence[SimResult], left: float, right: float) -> None:
    """One attainable line per chip; runs on one chip share it."""
    roofs: dict[tuple[float, float], list[str]] = {}
    for result in results:
        if result.peak_macs_per_s is None:
            continue
        names = roofs.setdefault(roof_of(result), [])
        names += [result.chip] if result.chip not in names else []
    x = np.geomspace(left, right, 200)
    for (peak, bandwidth), names in roofs.items():
        ax.plot(x, np.minimum(peak, bandwidth * x) / MACS_PER_GMAC, color=INK, linewidth=1.4)
        words = (
            f"{', '.join(names)}: {quantity_text(peak, 'MAC/s')}, {quantity_text(bandwidth, 'B/s')}"
        )
        ax.annotate(
            words, (right, peak / MACS_PER_GMAC), xytext=(-4, 4), textcoords="offset points",
            ha="right", va="bottom", fontsize=FONT_SIZE - 1, color=INK, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
        )  # fmt: skip


def _draw_points(
    ax: Axes, rows: pd.DataFrame, face: str, kinds: Sequence[str], right: float
) -> list[tuple[float, float, str]]:  # fmt: skip
    """Draw one result's points, colour by result and shape by kind; their x, y and text."""
    labels = []
    for kind, intensity, rate in zip(
        rows["kind"], rows["intensity_macs_per_byte"], rows["macs_per_s"], strict=True
    ):
        unbounded = math.isinf(intensity)
        x = right / 10**EDGE_DECADES if unbounded else float(intensity)
        y = float(rate) / MACS_PER_GMAC
        ax.plot(
            [x], [y], marker=MARKERS[kinds.index(kind) % len(MARKERS)], linestyle="none",
            color=face, markersize=8, markeredgecolor="white", markeredgewidth=0.8, zorder=4,
        )  # fmt: skip
        labels.append((x, y, str(kind).replace("_", " ") + (" (no traffic)" if unbounded else "")))
    return labels


def _x_range(shown: pd.DataFrame, ridges: Sequence[float]) -> tuple[float, float]:
    intensities = [float(x) for x in shown["intensity_macs_per_byte"] if math.isfinite(x)]
    values = [x for x in (*intensities, *ridges) if x > 0] or [1.0]
    room = 10**DECADES_AROUND
    return min(values) / room, max(values) * room


def _y_range(shown: pd.DataFrame, pairs: Sequence[tuple[str, Any]]) -> tuple[float, float]:
    roofs = [roof_of(result)[0] / MACS_PER_GMAC for _, result in pairs]
    peaks = [peak for peak in roofs if peak > 0] or [1.0]
    rates = [float(rate) / MACS_PER_GMAC for rate in shown["macs_per_s"]]
    room = 10**DECADES_AROUND
    return min([*rates, *peaks]) / room, max([*rates, *peaks]) * room * 2


def _caption(ax: Axes, frame: pd.DataFrame) -> None:
    hidden = list(dict.fromkeys(frame.loc[frame["macs"] <= 0, "kind"]))
    if hidden:
        names = ", ".join(str(kind).replace("_", " ") for kind in hidden)
        ax.text(
            1.0, 0.012, f"no MACs, not shown: {names}", transform=ax.transAxes, ha="right",
            va="bottom", fontsize=FONT_SIZE - 2, color=FAINT, wrap=True,
        )  # fmt: skip


def _legend(ax: Axes, labels: Sequence[str], any_points: bool) -> None:
    from matplotlib.patches import Patch

    if not any_points:
        ax.text(
            0.02, 0.95, "no op kind has both multiply-accumulates and time", va="top",
            transform=ax.transAxes, fontsize=FONT_SIZE - 1, color=INK,
        )  # fmt: skip
        return
    handles = [Patch(facecolor=colour(i), label=label) for i, label in enumerate(labels)]
    ax.legend(handles=handles, loc="upper left", frameon=False, fontsize=FONT_SIZE - 1)


def _spread_labels(ax: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each label at the first place around its point that touches nothing written.

    Points of one kind in one column share a label: their shape is the same.
    """
    offsets = _offsets()
    ax.figure.get_figure(root=True).draw_without_rendering()
    frame = ax.get_window_extent()
    taken = [_square(ax, x, y) for x, y, _ in points]
    taken += [text.get_window_extent() for text in ax.texts]
    legend = ax.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent())
    named: list[tuple[str, float]] = []
    for x, y, words in points:
        place = float(ax.transData.transform((x, y))[0])
        if any(text == words and abs(place - at) < SAME_LABEL_PIXELS for text, at in named):
            continue
        named.append((words, place))
        text = ax.annotate(
            words, (x, y), xytext=(9, 0), textcoords="offset points", fontsize=FONT_SIZE - 1,
            color=INK, va="center", zorder=5, in_layout=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.7,
                        "shrinkA": 0, "shrinkB": 3},
        )  # fmt: skip
        best, fewest = offsets[0], math.inf
        for offset in offsets:
            _place(text, offset)
            box = _words_box(text)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0
            clashes = sum(box.overlaps(other) for other in taken) + 10 * (not inside)
            if clashes < fewest:
                best, fewest = offset, clashes
            if clashes == 0:
                break
        _place(text, best)
        taken.append(_words_box(text))


def _words_box(text: Any) -> Any:
    """The box in pixels of an annotation's words, without the line to its point."""
    from matplotlib.text import Text

    text.get_window_extent()  # moves the words to their offset
    return Text.get_window_extent(text).padded(LABEL_ROOM_PIXELS)


def _offsets() -> list[tuple[float, float]]:
    """Offsets in points at which a label is tried, nearest first."""
    return [
        (radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle)))
        for radius in LABEL_RADII_POINTS
        for angle in LABEL_ANGLES
    ]


def _place(text: Any, offset: tuple[float, float]) -> None:
    text.set_position(offset)
    horizontal = offset[0]
    text.set_horizontalalignment(
        "left" if horizontal > 1 else "right" if horizontal < -1 else "center"
    )


def _square(ax: Axes, x: float, y: float) -> Any:
    """The box in pixels that a marker covers."""
    from matplotlib.transforms import Bbox

    centre = ax.transData.transform((x, y))
    half = 6.0
    return Bbox([[centre[0] - half, centre[1] - half], [centre[0] + half, centre[1] + half]])
