"""Pareto fronts: the exact non-dominated set, its knee, and what each axis does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.plot.front import front_picture, plot_front
from edgesim.report.table import text_table
from edgesim.sweeps.constraint import known_column
from edgesim.sweeps.sensitivity import sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def nondominated(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of (points, objectives) no other row dominates; all objectives are minimised.

    A row dominates another that it equals or beats in every objective and beats in one. Equal rows
    stand or fall together. Exact: in lexicographic order only an earlier row can dominate.
    Raises InputError for NaN.
    """
    if costs.ndim != 2 or np.isnan(costs).any():
        raise InputError("a front needs a number for every objective of every point")
    if costs.shape[1] == 0:
        return np.ones(len(costs), dtype=np.bool_)
    unique, where = np.unique(costs + 0.0, axis=0, return_inverse=True)
    kept = np.zeros(len(unique), dtype=np.bool_)
    front = np.empty_like(unique)
    size = 0
    for number, row in enumerate(unique):
        if not np.any(np.all(front[:size] <= row, axis=1)):
            front[size] = row
            size += 1
            kept[number] = True
    result: NDArray[np.bool_] = kept[where.reshape(-1)]
    return result


def knee_index(costs: NDArray[np.float64]) -> int:
    """The row nearest to the ideal point, each objective scaled to its range over the rows.

    Rows are a front; the first of equally near rows is taken.
    """
    low, high = costs.min(axis=0), costs.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return int(np.argmin(np.sqrt((((costs - low) / span) ** 2).sum(axis=1))))


@dataclass(frozen=True, eq=False)
class Front:
    """Feasible points with the non-dominated ones marked."""

    frame: pd.DataFrame
    """Feasible points; `on_front` and `knee` mark them."""
    axes: tuple[str, ...]
    minimize: tuple[str, ...]
    maximize: tuple[str, ...]
    left_out: int
    """Feasible points without a figure for every objective."""

    @property
    def objectives(self) -> tuple[str, ...]:
        """All objectives, those to minimise first."""
        return (*self.minimize, *self.maximize)

    @property
    def members(self) -> pd.DataFrame:
        """The non-dominated points, best in the first objective first."""
        rows = self.frame[self.frame["on_front"]]
        ascending = [True] * len(self.minimize) + [False] * len(self.maximize)
        return rows.sort_values(list(self.objectives), ascending=ascending, kind="stable")

    @property
    def knee(self) -> pd.Series[Any]:
        """The member nearest to the ideal point of the front, each objective over its range."""
        return self.frame[self.frame["knee"]].iloc[0]

    def sensitivity(self) -> pd.DataFrame:
        """What each axis does to each objective, over all feasible points."""
        return sensitivity(self.frame, self.axes, self.minimize, self.maximize)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The first two objectives, dominated points faint, a third by colour."""
        return plot_front(self.frame, self.minimize, self.maximize, ax)

    def save_picture(self, path: str | Path) -> None:
        """Write the picture as a PNG or another format that the file's ending names."""
        front_picture(self.frame, self.minimize, self.maximize, Path(path))

    def to_text(self, most: int = 20) -> str:
        """Counts, the knee, the front's members and the sensitivities, for a terminal."""
        members = self.members
        ways = [f"least {name}" for name in self.minimize]
        ways += [f"most {name}" for name in self.maximize]
        lines = [
            f"{len(members)} of {len(self.frame)} feasible points are on the front of "
            f"{', '.join(ways)}",
            f"knee (nearest to the ideal, objectives over their ranges): {self.knee['label']}",
        ]
        if self.left_out:
            lines.append(f"{self.left_out} points lack an objective and are left out")
        rows = []
        for _, row in members.head(most).iterrows():
            mark = "*" if row["knee"] else ""
            rows.append([mark, *(f"{row[name]:.4g}" for name in self.objectives), row["label"]])
        table = text_table(["", *self.objectives, "point"], rows)
        more = f"\n… and {len(members) - most} more" if len(members) > most else ""
        return "\n".join(lines) + f"\n\n{table}{more}\n\n{self._sensitivity_text()}"

    def _sensitivity_text(self) -> str:
        header = ["axis", "objective", "explains", "worst/best", "best at"]
        rows = []
        for _, row in self.sensitivity().iterrows():
            spread = f"{row['worst_over_best']:.3g}"
            share = f"{row['variance_share']:.0%}"
            rows.append([row["axis"], row["objective"], share, spread, str(row["best_value"])])
        return "share of the variance that each axis alone explains\n" + text_table(header, rows)


def front_of(
    frame: pd.DataFrame, axes: Sequence[str], minimize: Sequence[str], maximize: Sequence[str]
) -> Front:
    """The front of a sweep's table. Raises InputError for unknown figures or no feasible point."""
    names = [known_column(name) for name in (*minimize, *maximize)]
    if not names:
        raise InputError("a front needs objectives: minimize or maximize at least one figure")
    if len(set(names)) < len(names):
        raise InputError(f"objectives {', '.join(names)}: each may be named once")
    feasible = frame[frame["status"] == "feasible"]
    rows = feasible.dropna(subset=names).reset_index(drop=True)
    if rows.empty:
        raise InputError(
            f"no feasible point has {', '.join(names)}; see the reasons in the store "
            "(edgesim store export) and widen the space"
        )
    signs = np.array([1.0] * len(minimize) + [-1.0] * len(maximize))
    costs = rows[names].to_numpy(dtype=np.float64) * signs
    kept = nondominated(costs)
    knee = np.zeros(len(rows), dtype=np.bool_)
    knee[np.flatnonzero(kept)[knee_index(costs[kept])]] = True
    marked = rows.assign(on_front=kept, knee=knee)
    left_out = len(feasible) - len(rows)
    return Front(marked, tuple(axes), tuple(minimize), tuple(maximize), left_out)
