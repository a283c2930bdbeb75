"""A sparsity study as text for a terminal."""

from __future__ import annotations

from edgesim.ir.quantity import percent_text
from edgesim.ir.sparsity_study import SparsityStudy
from edgesim.report.table import text_table

HEADER = ("part", "method", "steps", "zeros", "accuracy", "points against unpruned")


def sparsity_text(study: SparsityStudy) -> str:
    """Whose weights, how they were pruned, and a row per part, method and share of zeros."""
    own = percent_text(study.correct / study.num_sentences)
    heading = [
        f"{study.weights}: {study.num_sentences} sentences ({study.text}); unpruned: {own} right",
        *study.notes,
    ]
    rows = [
        [
            row.part, row.method, str(row.num_steps), percent_text(row.zero_fraction),
            percent_text(row.correct / study.num_sentences),
            f"{row.points:+.1f} [{row.points_low:+.1f}, {row.points_high:+.1f}]",
        ]
        for row in study.rows
    ]  # fmt: skip
    return "\n\n".join(["\n".join(heading), text_table(list(HEADER), rows)])
