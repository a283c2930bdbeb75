"""A Pareto front: dominated points faint, members numbered and named beside the axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edgesim.errors import InputError
from edgesim.ir.quantity import si_scale
from edgesim.plot.style import DPI, FAINT, FONT_SIZE, INK, PALETTE, axes_or_new, finish
from edgesim.whole_file import check_folder, whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES, HEIGHT_INCHES = 11.0, 5.8
MOST_NAMED = 12
PICTURES = (".png", ".svg", ".pdf")
CLOSEST_SHARE = 0.035
"""Named points lie at least so far apart, as a share of both axes."""
ROOM_RATIO, EDGE_RATIO = 4.0, 1.15
"""The axes end at so many times the worst member; room below the best, as a ratio."""
COLUMNS = ["x", "y", "colour", "on_front", "knee", "number", "label"]
UNITS = {"js": "J·s", "s": "s", "j": "J", "mm2": "mm²", "bytes": "B"}
PLAIN_UNITS = {"accuracy": "share", "average_exit_layer": "layer", "num_sentences": "count"}


def front_data(
    frame: pd.DataFrame, minimize: Sequence[str], maximize: Sequence[str] = ()
) -> pd.DataFrame:
    """What is drawn, columns as COLUMNS: the first objective is x, the second y, a third colour.

    `frame` has the objectives, `label`, `on_front` and `knee`. Members that are named have a
    number from 1, by rising x; members at one place are named together; the rest has 0.
    """
    objectives = [*minimize, *maximize]
    _check_two(objectives)
    data = pd.DataFrame(
        {
            "x": frame[objectives[0]], "y": frame[objectives[1]],
            "colour": frame[objectives[2]] if len(objectives) > 2 else np.nan,
            "on_front": frame["on_front"], "knee": frame["knee"], "number": 0,
            "label": frame["label"],
        }
    )  # fmt: skip
    members = data[data["on_front"]]
    for number, row in enumerate(_named(members), start=1):
        data.loc[row, "number"] = number
        here = (members["x"] == data.loc[row, "x"]) & (members["y"] == data.loc[row, "y"])
        if int(here.sum()) > 1:
            data.loc[row, "label"] = f"{data.loc[row, 'label']} (+{int(here.sum()) - 1} equal)"
    return data[COLUMNS].reset_index(drop=True)


def _named(members: pd.DataFrame) -> list[Any]:
    """Members to name, by rising x: the knee, the ends, then what lies farthest from those."""
    scaled = np.column_stack([_scaled(members["x"]), _scaled(members["y"])])
    chosen = [int(np.argmax(members["knee"].to_numpy(dtype=bool)))]
    for column in (0, 1):
        for place in (int(np.argmin(scaled[:, column])), int(np.argmax(scaled[:, column]))):
            if _gap(scaled, place, chosen) >= CLOSEST_SHARE:
                chosen.append(place)
    while len(chosen) < min(MOST_NAMED, len(members)):
        gaps = [_gap(scaled, place, chosen) for place in range(len(members))]
        best = int(np.argmax(gaps))
        if gaps[best] < CLOSEST_SHARE:
            break
        chosen.append(best)
    chosen.sort(key=lambda place: (scaled[place, 0], scaled[place, 1]))
    return [members.index[place] for place in chosen]


def _gap(scaled: Any, place: int, chosen: Sequence[int]) -> float:
    steps = np.abs(scaled[list(chosen)] - scaled[place])
    return float(np.sqrt((steps**2).sum(axis=1)).min())


def _equal_to_named(members: pd.DataFrame) -> int:
    """Members without a number that lie exactly where a named one does."""
    named = members[members["number"] > 0]
    places = set(zip(named["x"], named["y"], strict=True))
    others = members[members["number"] == 0]
    return sum(place in places for place in zip(others["x"], others["y"], strict=True))


def _scaled(column: pd.Series) -> Any:
    values = column.to_numpy(dtype=np.float64)
    values = np.log(values) if (values > 0).all() else values
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.zeros(len(values))


def plot_front(
    frame: pd.DataFrame, minimize: Sequence[str], maximize: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Scatter of the first two objectives; log axes where values span more than a decade.

    A fourth objective decides who is on the front but is not drawn, and the title says so.
    """
    objectives = [*minimize, *maximize]
    data = front_data(frame, minimize, maximize)
    own = ax is None
    ax = axes_or_new(ax, HEIGHT_INCHES)
    figure = ax.figure.get_figure(root=True)
    if own and figure is not None:
        figure.set_size_inches(WIDTH_INCHES, HEIGHT_INCHES)
    (x_scale, x_name), (y_scale, y_name) = (
        scaled_axis(name, data.loc[data["on_front"], column])
        for name, column in zip(objectives, ("x", "y"), strict=False)
    )
    data = data.assign(x=data["x"] / x_scale, y=data["y"] / y_scale)
    rest = data[~data["on_front"]]
    ax.scatter(rest["x"], rest["y"], s=12, color=FAINT, alpha=0.25, linewidths=0, zorder=2)
    members = data[data["on_front"]].sort_values(["x", "y"])
    if len(objectives) == 2:
        ax.plot(members["x"], members["y"], color=PALETTE[0], linewidth=1.0, alpha=0.6, zorder=3)
    _draw_members(ax, members, objectives)
    for column, setter in (("x", ax.set_xscale), ("y", ax.set_yscale)):
        if data[column].min() > 0 and data[column].max() > 10 * data[column].min():
            setter("log")
            _plain_numbers(ax.xaxis if column == "x" else ax.yaxis)
    beyond = _look_at(ax, data, members)
    notes = [f"{beyond} dominated ones beyond the axes"] if beyond else []
    unnamed = int((members["number"] == 0).sum()) - _equal_to_named(members)
    notes += [f"{unnamed} on the front close to named ones"] if unnamed else []
    notes += [f"{', '.join(objectives[3:])} not drawn"] if len(objectives) > 3 else []
    title = f"{len(members)} of {len(data)} feasible points are not dominated"
    title += f" ({'; '.join(notes)})" if notes else ""
    finish(ax, title, x_name, y_name)
    _name_members(ax, members)
    return ax


def _plain_numbers(axis: Any) -> None:
    """Numbers of a log axis without powers."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        """Labels where LogFormatter has some."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain(labelOnlyBase=False, minor_thresholds=(1.5, 0.4)))
    axis.set_tick_params(which="minor", labelsize=FONT_SIZE - 2, labelcolor=INK)


def _look_at(ax: Axes, data: pd.DataFrame, members: pd.DataFrame) -> int:
    """Cut the axes some way behind the front; how many points lie beyond them."""
    shown = np.ones(len(data), dtype=np.bool_)
    for column, limits in (("x", ax.set_xlim), ("y", ax.set_ylim)):
        low, high = float(members[column].min()), float(members[column].max())
        everything = data[column]
        if low <= 0 or everything.max() <= high * ROOM_RATIO:
            continue
        bottom = min(low, float(everything.min())) / EDGE_RATIO
        limits(bottom, high * ROOM_RATIO)
        shown &= (everything <= high * ROOM_RATIO).to_numpy()
    return int((~shown).sum())


def _draw_members(ax: Axes, members: pd.DataFrame, objectives: Sequence[str]) -> None:
    style: dict[str, Any] = {"s": 42, "edgecolors": "white", "linewidths": 0.6, "zorder": 4}
    if len(objectives) > 2:
        divisor, name = scaled_axis(objectives[2], members["colour"])
        colour = members["colour"] / divisor
        drawn = ax.scatter(members["x"], members["y"], c=colour, cmap="viridis", **style)
        bar = ax.figure.colorbar(drawn, ax=ax, location="bottom", fraction=0.05, aspect=40)
        bar.set_label(name, fontsize=FONT_SIZE, color=INK)
        bar.ax.tick_params(labelsize=FONT_SIZE - 1, colors=INK)
    else:
        ax.scatter(members["x"], members["y"], color=PALETTE[0], **style)
    knee = members[members["knee"]]
    ax.scatter(
        knee["x"], knee["y"], s=150, facecolors="none", edgecolors=PALETTE[5], linewidths=1.8,
        zorder=5,
    )  # fmt: skip


def _name_members(ax: Axes, members: pd.DataFrame) -> None:
    """Numbers beside the points, and what they stand for to the right of the axes."""
    named = members[members["number"] > 0].sort_values("number")
    lines = []
    for _, row in named.iterrows():
        ax.annotate(
            str(row["number"]), (row["x"], row["y"]), xytext=(6, 6), textcoords="offset points",
            fontsize=FONT_SIZE - 1, color=INK, fontweight="bold", zorder=6,
        )  # fmt: skip
        knee = " (knee)" if row["knee"] else ""
        lines.append(f"{row['number']:>2}  {row['label']}{knee}")
    ax.text(
        1.02, 1.0, "\n".join(lines), transform=ax.transAxes, va="top", ha="left",
        fontsize=FONT_SIZE - 1, color=INK, linespacing=1.5,
    )  # fmt: skip


def scaled_axis(name: str, column: pd.Series) -> tuple[float, str]:
    """Divisor of an objective and its axis label."""
    unit = _unit(name)
    divisor, text = si_scale(float(column.median()), unit)
    return divisor, axis_text(name, text)


def axis_text(name: str, unit_text: str) -> str:
    """Label of an objective, such as "Energy per sentence (µJ)"."""
    unit = _unit(name)
    words = name.rsplit("_", 1)[0] if unit else name
    text = words.replace("_", " ").capitalize()
    if unit in ("s", "J", "J·s"):
        text += " per sentence"
    return f"{text} ({unit_text or unit or PLAIN_UNITS.get(name, 'ratio')})"


def _unit(name: str) -> str:
    return UNITS.get(name.rsplit("_", 1)[-1], "")


def check_picture(path: Path, objectives: Sequence[str]) -> None:
    """Raise InputError for a file or objectives that no picture comes of."""
    _check_two(objectives)
    if path.suffix not in PICTURES:
        raise InputError(f"{path}: a picture is one of {', '.join(PICTURES)}")
    check_folder(path)


def _check_two(objectives: Sequence[str]) -> None:
    if len(objectives) < 2:
        raise InputError("a picture of a front needs two objectives; name one more")


def front_picture(
    frame: pd.DataFrame, minimize: Sequence[str], maximize: Sequence[str], path: Path
) -> None:
    """Write the picture of a front to a file, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    check_picture(path, [*minimize, *maximize])
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    plot_front(frame, minimize, maximize, figure.add_subplot())
    with whole_file(path) as partial:
        figure.savefig(
            partial, dpi=DPI, metadata={"Software": None} if path.suffix == ".png" else {}
        )
