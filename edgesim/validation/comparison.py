"""Every figure, simulated and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from edgesim.validation import (
    executed_figures,
    forecast_figures,
    hardware_figures,
    model_figures,
    silicon,
)
from edgesim.validation.bench import Bench
from edgesim.validation.entropies import authors_workload
from edgesim.validation.figure import Figure
from edgesim.validation.figure_file import written_figures
from edgesim.validation.verdict import VERDICTS, Row, judge

if TYPE_CHECKING:
    import pandas as pd

MEASURES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        **executed_figures.MEASURES,
        **model_figures.MEASURES,
        **hardware_figures.MEASURES,
        **silicon.MEASURES,
        **forecast_figures.MEASURES,
    }
)
"""Simulations by the name that figures call them."""


@dataclass(frozen=True)
class Comparison:
    """All rows, in the order of their groups."""

    rows: tuple[Row, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Rows by verdict."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def holds(self) -> bool:
        """Whether no row is out."""
        return not self.counts["out"]

    def groups(self) -> dict[str, list[Row]]:
        """Rows by heading."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.figure.group, []).append(row)
        return found

    def to_frame(self) -> pd.DataFrame:
        """A row per figure; `simulated` is missing where it is not available."""
        import pandas as pd

        return pd.DataFrame([_frame_row(row) for row in self.rows]).set_index("id")

    def to_json(self) -> dict[str, Any]:
        """As JSON values: the counts, and every row with its figure."""
        rows = [
            {
                "figure": {**asdict(row.figure), "tolerance": row.figure.tolerance},
                "simulated": asdict(row.simulated), "difference": row.difference,
                "verdict": row.verdict,
            }
            for row in self.rows
        ]  # fmt: skip
        return {"schema_version": 1, "counts": self.counts, "rows": rows}


def _frame_row(row: Row) -> dict[str, Any]:
    figure, simulated = row.figure, row.simulated
    return {
        "id": figure.id, "group": figure.group, "what": figure.what, "standing": figure.standing,
        "unit": figure.unit, "figure": figure.value, "figure_low": figure.low,
        "figure_high": figure.high, "simulated": simulated.value, "low": simulated.low,
        "high": simulated.high, "difference": row.difference, "verdict": row.verdict,
        "note": simulated.note, "cause": figure.cause, "source": figure.source,
    }  # fmt: skip


def all_figures() -> tuple[Figure, ...]:
    """Every figure that the simulator is compared with."""
    return (
        *executed_figures.executed_figures(), *written_figures(), *hardware_figures.tool_figures(),
    )  # fmt: skip


def validate(entropies: Path | None = None, figures: Iterable[Figure] | None = None) -> Comparison:
    """Simulate and judge figures, by default all of them.

    `entropies` is the folder of the authors' released entropies; rows that rest on them are shown
    as not available without it. Raises InputError where the folder does not hold them.
    """
    bench = Bench(None if entropies is None else authors_workload(entropies))
    return compare_figures(bench, all_figures() if figures is None else figures)


def compare_figures(bench: Bench, figures: Iterable[Figure]) -> Comparison:
    """Simulate and judge figures on a bench."""
    chosen = tuple(figures)
    bar = tqdm(chosen, desc="validate", unit="row", leave=False, disable=None)
    return Comparison(
        tuple(judge(f, MEASURES[f.simulate](bench, **dict(f.arguments))) for f in bar)
    )
