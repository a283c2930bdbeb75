"""A format study as text for a terminal."""

from __future__ import annotations

from edgesim.ir.format_study import FormatRow, FormatStudy
from edgesim.ir.quantity import digits_text, percent_text
from edgesim.report.table import text_table


def format_text(study: FormatStudy) -> str:
    """Whose weights, what is rounded, and a row per width and family, least error first."""
    heading = [f"{study.weights}: {study.num_tensors} tensors, {study.num_weights:,} weights"]
    if study.num_sentences is not None and study.correct is not None:
        heading.append(
            f"{study.num_sentences} sentences ({study.text}); as they are: "
            f"{percent_text(study.correct / study.num_sentences)} right"
        )
    heading += study.notes
    header = ["bits", "family", "format", "RMS error", "of the weights' RMS"]
    if study.num_sentences is not None:
        header += ["accuracy", "points against float32"]
    rows = sorted(study.rows, key=lambda row: (row.bits, row.rms_error))
    return "\n\n".join(
        ["\n".join(heading), text_table(header, [_cells(study, row) for row in rows])]
    )


def _cells(study: FormatStudy, row: FormatRow) -> list[str]:
    cells = [
        str(row.bits), row.family, row.number_format, digits_text(row.rms_error),
        percent_text(row.relative_rms_error),
    ]  # fmt: skip
    if study.num_sentences is not None and row.correct is not None:
        cells.append(percent_text(row.correct / study.num_sentences))
        cells.append(f"{row.points:+.1f} [{row.points_low:+.1f}, {row.points_high:+.1f}]")
    return cells
