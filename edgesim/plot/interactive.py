"""Pictures that answer the mouse: points with hover, linked to a sortable table, by Bokeh.

Bokeh's scripts for plots and tables take 2 MB of a page that needs no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from edgesim.errors import InputError
from edgesim.ir.result import SimResult
from edgesim.plot.front import scaled_axis
from edgesim.plot.style import FAINT, PALETTE

PLOT_HEIGHT, TABLE_HEIGHT = 460, 420
LABEL_WIDTH, CELL_WIDTH, LETTER_WIDTH = 320, 70, 8
PLACES = ("knee", "front", "dominated", "infeasible", "failed", "missing")
"""What a point may be, in the order of the table."""
DECADE = 10.0


@dataclass(frozen=True)
class Column:
    """A column of the table, or an axis of the plot."""

    name: str
    title: str
    """With the unit."""
    number: bool = True


def front_columns(
    frame: pd.DataFrame, objectives: Sequence[str], axes: Sequence[str]
) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    """All points of a sweep as the table shows them, those of the front first.

    Figures have the prefix that suits the front. `frame` has label, status, reason, on_front,
    knee, axes and objectives; `place` says in words what a point is.
    """
    data = pd.DataFrame({"label": frame["label"]})
    front = frame["on_front"].to_numpy(dtype=bool)
    standing = frame["status"].replace("feasible", "dominated")
    data["place"] = np.where(frame["knee"], "knee", np.where(front, "front", standing))
    columns = [Column("label", "point", number=False), Column("place", "is", number=False)]
    for name in objectives:
        divisor, title = scaled_axis(name, frame.loc[front, name])
        data[name] = frame[name].to_numpy(dtype=np.float64) / divisor
        columns.append(Column(name, title))
    for path in axes:
        data[path] = frame[path].map(_words)
        columns.append(Column(path, path, number=False))
    data["reason"] = frame["reason"].to_numpy()
    rank = data["place"].map(PLACES.index)
    data = data.loc[rank.sort_values(kind="stable").index].reset_index(drop=True)
    return data, (*columns, Column("reason", "why not", number=False))


def linked_front(frame: pd.DataFrame, objectives: Sequence[str], axes: Sequence[str]) -> Any:
    """A Bokeh layout: the front over its dominated points, and the table of all points.

    The first two objectives are drawn, a third by colour. A click on a row marks the point.
    """
    data, columns = front_columns(frame, objectives, axes)
    faint = (data["place"] == "dominated").to_numpy()
    members = data["place"].isin(("front", "knee")).to_numpy()
    knee = (data["place"] == "knee").to_numpy()
    titles = {column.name: column.title for column in columns}
    drawn = [column for column in columns if column.name in objectives]
    colour = objectives[2] if len(objectives) > 2 else None
    return _linked(
        data, columns, drawn, (objectives[0], objectives[1]), titles,
        groups={"faint": faint, "strong": members, "ring": knee}, colour=colour,
    )  # fmt: skip


def sentence_columns(result: SimResult) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    """Sentences of a run as the table shows them, in their own order."""
    frame = result.to_frame()
    data = pd.DataFrame({"label": [f"sentence {i}" for i in range(1, len(frame) + 1)]})
    columns = [Column("label", "sentence", number=False)]
    for name in ("num_tokens", "exit_layer"):
        if frame[name].notna().all():
            data[name] = frame[name].astype(int)
            columns.append(Column(name, name.replace("_", " ")))
    for name in ("latency_s", "energy_j"):
        if frame[name].notna().all():
            divisor, title = scaled_axis(name, frame[name])
            data[name] = frame[name].astype(float) / divisor
            columns.append(Column(name, title.replace(" per sentence", "")))
    return data, tuple(columns)


def linked_sentences(result: SimResult) -> Any:
    """A Bokeh layout: every sentence by tokens and latency, coloured by exit, and the table."""
    data, columns = sentence_columns(result)
    titles = {column.name: column.title for column in columns}
    colour = "exit_layer" if data.get("exit_layer", pd.Series([0])).nunique() > 1 else None
    everything = np.ones(len(data), dtype=bool)
    y = "energy_j" if "energy_j" in titles else "num_tokens"
    return _linked(
        data, columns, columns[1:], ("latency_s", y), titles, groups={"strong": everything},
        colour=colour,
    )  # fmt: skip


def _linked(
    data: pd.DataFrame, columns: Sequence[Column], told: Sequence[Column], drawn: tuple[str, str],
    titles: Mapping[str, str], groups: Mapping[str, Any], colour: str | None,
) -> Any:  # fmt: skip
    """The plot of two columns above the table, over one source so that selections are shared."""
    bokeh = _bokeh()
    source = bokeh.ColumnDataSource({name: data[name].to_numpy() for name in data})
    x, y = drawn
    figure = bokeh.figure(
        height=PLOT_HEIGHT, sizing_mode="stretch_width", output_backend="canvas",
        x_axis_type=_scale(data[x]), y_axis_type=_scale(data[y]), x_axis_label=titles[x],
        y_axis_label=titles[y], tools="pan,wheel_zoom,box_zoom,tap,box_select,reset,save",
    )  # fmt: skip
    figure.toolbar.logo = None
    for axis, column in ((figure.xaxis, x), (figure.yaxis, y)):
        if _scale(data[column]) == "log":
            axis.ticker = bokeh.FixedTicker(ticks=_log_ticks(data[column]))
            axis.formatter = bokeh.BasicTickFormatter(use_scientific=False)
    strong: Any = PALETTE[0]
    if colour is not None:
        shown = data.loc[groups["strong"], colour]
        strong = bokeh.linear_cmap(colour, "Viridis256", float(shown.min()), float(shown.max()))
        bar = bokeh.ColorBar(color_mapper=strong["transform"], title=titles[colour], width=10)
        figure.add_layout(bar, "right")
    styles: dict[str, dict[str, Any]] = {
        "faint": {"size": 5, "color": FAINT, "alpha": 0.35},
        "strong": {"size": 9, "fill_color": strong, "line_color": "white"},
        "ring": {"size": 17, "fill_color": None, "line_color": PALETTE[5], "line_width": 2},
    }
    marks = []
    for name, rows in groups.items():
        view = bokeh.CDSView(filter=bokeh.BooleanFilter([bool(row) for row in rows]))
        marks.append(figure.scatter(x, y, source=source, view=view, **styles[name]))
    tips = [("", "@label"), *((column.title, f"@{{{column.name}}}") for column in told)]
    figure.add_tools(bokeh.HoverTool(tooltips=tips, renderers=marks[:2]))
    return bokeh.column(figure, _table(bokeh, source, columns), sizing_mode="stretch_width")


def _table(bokeh: Any, source: Any, columns: Sequence[Column]) -> Any:
    """Every row; a click on a header sorts. Bokeh takes titles for HTML, cells for text."""
    made = [
        bokeh.TableColumn(
            field=column.name, title=escape(column.title),
            width=LABEL_WIDTH if column.name in ("label", "reason")
            else max(CELL_WIDTH, LETTER_WIDTH * len(column.title)),
            formatter=bokeh.NumberFormatter(format="0[.]000", nan_format="–")
            if column.number else bokeh.StringFormatter(),
        )
        for column in columns
    ]  # fmt: skip
    return bokeh.DataTable(
        source=source, columns=made, height=TABLE_HEIGHT, sizing_mode="stretch_width",
        sortable=True, reorderable=False, autosize_mode="none", index_position=None,
    )  # fmt: skip


def _scale(column: pd.Series) -> str:
    values = column.dropna()
    wide = len(values) > 0 and values.min() > 0 and values.max() > DECADE * values.min()
    return "log" if wide else "linear"


def _log_ticks(column: pd.Series) -> list[float]:
    """1, 2, 3 and 5 of every decade from below the least to above the greatest value."""
    low, high = (int(np.floor(np.log10(end))) for end in (column.min(), column.max()))
    return [step * 10.0**decade for decade in range(low, high + 1) for step in (1, 2, 3, 5)]


def _words(value: Any) -> str:
    absent = value is None or (isinstance(value, float) and np.isnan(value))
    return "none" if absent else f"{value:g}" if isinstance(value, float) else str(value)


def _bokeh() -> Any:
    """The names of Bokeh that are used here. Raises InputError where it is not installed."""
    from types import SimpleNamespace

    try:
        from bokeh import layouts, models, plotting, transform
    except ImportError:
        raise InputError("an HTML report needs Bokeh; pip install 'edgesim[report]'") from None
    return SimpleNamespace(
        **{name: getattr(models, name) for name in models.__all__},
        figure=plotting.figure, column=layouts.column, linear_cmap=transform.linear_cmap,
    )  # fmt: skip
