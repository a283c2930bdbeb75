"""The HTML page of a sweep: the front under the mouse, every point in a sortable table."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.ir.quantity import digits_text
from edgesim.plot.front import front_picture, scaled_axis
from edgesim.plot.interactive import linked_front
from edgesim.report.page import Drawn, Linked, html_page
from edgesim.report.table import markdown_table
from edgesim.sweeps.front import Front
from edgesim.sweeps.outcome import SweepResult

MOST_MEMBERS, MOST_REASONS = 40, 12


def default_objectives(result: SweepResult) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Least energy and latency, and most accuracy where any point has one that differs."""
    feasible = result.frame[result.frame["status"] == "feasible"]
    with_accuracy = feasible["accuracy"].nunique() > 1
    return ("energy_j", "latency_s"), ("accuracy",) if with_accuracy else ()


def sweep_page(
    result: SweepResult, minimize: Sequence[str], maximize: Sequence[str], title: str
) -> str:
    """The page of a sweep's points with the front of two objectives or more."""
    front = result.pareto(minimize, maximize)
    with tempfile.TemporaryDirectory(prefix="edgesim-page-") as folder:
        front_picture(front.frame, minimize, maximize, Path(folder) / "front.png")
        everything = _marked(result.frame, front)
        parts: list[str | Linked | Drawn] = [
            f"# {title}\n\n{_counts(result)}\n\n## The front\n\n{_knee(front)}",
            Linked(linked_front(everything, front.objectives, result.axes)),
            "A click on a header sorts the table, a click on a row marks its point. Dominated "
            "points are grey, the knee has a ring.",
            Drawn(Path(folder) / "front.png", "Front with names"),
            f"## Members\n\n{_members(front)}",
            f"## What each axis does\n\n{_sensitivity(front)}",
            f"## Points without figures\n\n{_reasons(result)}",
        ]
        return html_page(title, parts)


def _marked(frame: pd.DataFrame, front: Front) -> pd.DataFrame:
    """All points with `on_front` and `knee`; those that the front left out are false."""
    known = frame[list(front.objectives)].notna().all(axis=1) & (frame["status"] == "feasible")
    marked = frame.assign(on_front=False, knee=False)
    for mark in ("on_front", "knee"):
        marked.loc[known, mark] = front.frame[mark].to_numpy()
    return marked


def _counts(result: SweepResult) -> str:
    told = ", ".join(f"{number} {name}" for name, number in result.counts.items() if number)
    return f"{len(result.frame)} points: {told}. Axes: {', '.join(result.axes) or 'none'}."


def _knee(front: Front) -> str:
    ways = [f"least {name}" for name in front.minimize]
    ways += [f"most {name}" for name in front.maximize]
    return (
        f"{len(front.members)} of {len(front.frame)} feasible points are on the front of "
        f"{', '.join(ways)}. Knee, nearest to the ideal with objectives over their ranges: "
        f"**{front.knee['label']}**."
    )


def _members(front: Front) -> str:
    scales = {name: scaled_axis(name, front.members[name]) for name in front.objectives}
    rows = [
        [str(row["label"]), *(digits_text(row[name] / scales[name][0], 4) for name in scales)]
        for _, row in front.members.head(MOST_MEMBERS).iterrows()
    ]
    table = markdown_table(["point", *(title for _, title in scales.values())], rows)
    more = len(front.members) - len(rows)
    return f"{table}\n\nand {more} more, in the table above" if more > 0 else table


def _sensitivity(front: Front) -> str:
    rows = [
        [str(row["axis"]), str(row["objective"]), f"{row['variance_share']:.0%}",
         f"{row['worst_over_best']:.3g}", str(row["best_value"])]
        for _, row in front.sensitivity().iterrows()
    ]  # fmt: skip
    header = ["axis", "objective", "explains of the variance", "worst / best mean", "best at"]
    return markdown_table(header, rows)


def _reasons(result: SweepResult) -> str:
    frame = result.frame
    counts: Any = frame.loc[frame["status"] != "feasible", "reason"].value_counts()
    rows = [[str(number), str(reason)] for reason, number in counts.head(MOST_REASONS).items()]
    return markdown_table(["points", "reason"], rows)
