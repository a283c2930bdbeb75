"""A sweep's points as a table, with the constraints of its space applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from edgesim.errors import InputError
from edgesim.sweeps.constraint import COLUMNS, Constraint, parse_constraint
from edgesim.sweeps.front import Front, front_of
from edgesim.sweeps.labels import point_labels, value_text, varying_paths
from edgesim.sweeps.store import Member, Outcome, Store, SweepRecord
from edgesim.whole_file import check_folder, whole_file

MISSING = "missing"
TABLES = (".csv", ".parquet")


def verdict(outcome: Outcome, constraints: Sequence[Constraint]) -> tuple[str, str]:
    """Status and reason of a point under a space's constraints."""
    if outcome.status != "feasible":
        return outcome.status, outcome.reason
    broken = [constraint.violation(outcome.figures) for constraint in constraints]
    reasons = [text for text in broken if text]
    return ("infeasible", "; ".join(reasons)) if reasons else ("feasible", "")


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Points of one sweep, or of all sweeps of a store."""

    frame: pd.DataFrame
    """One row per point: label, status, reason, the choices by path, and every figure."""
    axes: tuple[str, ...]
    """Paths that tell points apart."""
    store: str = ""
    unplanned: int = 0
    """Points that an unfinished sweep has not come to; they have no rows."""

    @property
    def counts(self) -> dict[str, int]:
        """Points by status: feasible, infeasible, failed, missing."""
        found = Counter(self.frame["status"])
        found[MISSING] += self.unplanned
        return {name: found[name] for name in ("feasible", "infeasible", "failed", MISSING)}

    def pareto(self, minimize: Sequence[str] = (), maximize: Sequence[str] = ()) -> Front:
        """The exact non-dominated feasible points; see `Front`."""
        return front_of(self.frame, self.axes, minimize, maximize)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.frame.copy()

    def export(self, path: Path) -> None:
        """Write the table as CSV, or as Parquet where pandas finds an engine."""
        export_frame(self.frame, path)


def result_of(store: Store, sweeps: Sequence[SweepRecord]) -> SweepResult:
    """The points of some sweeps; a point that several hold is listed once."""
    rows: dict[object, tuple[Member, tuple[str, str]]] = {}
    unplanned = 0
    for sweep in sweeps:
        constraints = [parse_constraint(text) for text in sweep.description["constraints"]]
        members = store.members(sweep.id)
        unplanned += max(0, store.announced(sweep.id) - len(members))
        for member in members:
            found = member.outcome
            status = (MISSING, "") if found is None else verdict(found, constraints)
            key = (sweep.id, member.position) if found is None else (found.key, status)
            rows.setdefault(key, (member, status))
    shared = {path: axis for sweep in sweeps for path, axis in _axis_of(sweep).items()}
    return replace(_result(list(rows.values()), store.path, shared), unplanned=unplanned)


def _axis_of(sweep: SweepRecord) -> dict[str, str]:
    """The axis of every path that an axis sets beside others."""
    return {
        path: name
        for name, values, _ in sweep.description["axes"]
        for value in values
        if isinstance(value, Mapping)
        for path in value
    }


def stored_result(path: str | Path, name: str | None = None) -> SweepResult:
    """The points of a store file, or of its sweeps of one name."""
    with Store(path, create=False) as store:
        sweeps = store.sweeps()
        chosen = [sweep for sweep in sweeps if name in (None, sweep.name)]
        if name is not None and not chosen:
            known = ", ".join(dict.fromkeys(sweep.name for sweep in sweeps)) or "none"
            raise InputError(f"{path}: no sweep named {name!r}; it holds: {known}")
        return result_of(store, chosen)


def _result(
    rows: Sequence[tuple[Member, tuple[str, str]]], store: str, axis_of: Mapping[str, str]
) -> SweepResult:
    choices = [member.choice for member, _ in rows]
    axes = varying_paths(choices, axis_of)
    labels = point_labels(choices, axes)
    records = [
        {
            "label": label, "status": status, "reason": reason,
            **{path: _cell(value) for path, value in member.choice.items()},
            **_figures(member.outcome),
        }
        for label, (member, (status, reason)) in zip(labels, rows, strict=True)
    ]  # fmt: skip
    paths = list(dict.fromkeys(path for choice in choices for path in choice))
    columns = ["label", "status", "reason", *paths, *COLUMNS, "seconds"]
    frame = pd.DataFrame(records, columns=columns)
    for column in (*COLUMNS, "seconds"):
        frame[column] = pd.to_numeric(frame[column])
    return SweepResult(frame, axes, store)


def _figures(outcome: Outcome | None) -> dict[str, Any]:
    return {} if outcome is None else {**outcome.figures, "seconds": outcome.seconds}


def _cell(value: Any) -> Any:
    """A choice as one cell: numbers stay numbers."""
    return value if isinstance(value, (int, float)) or value is None else value_text(value)


def check_table_path(path: Path) -> None:
    """Raise InputError for a file that no table can be written to, before there is a table."""
    if path.suffix not in TABLES:
        raise InputError(f"{path}: write {' or '.join(TABLES)}")
    check_folder(path)


def export_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a table by the file's ending: .csv or .parquet; whole or not at all."""
    check_table_path(path)
    with whole_file(path) as partial:
        if path.suffix == ".csv":
            frame.to_csv(partial, index=False)
            return
        try:
            frame.astype(_parquet_types(frame)).to_parquet(partial, index=False)
        except ImportError:
            raise InputError(
                f"{path}: pandas finds no Parquet engine; pip install pyarrow, or write .csv"
            ) from None


def _parquet_types(frame: pd.DataFrame) -> Mapping[Any, Any]:
    """Mixed columns as text: Parquet wants one type for each."""
    return {name: "string" for name in frame if frame[name].dtype == object}
