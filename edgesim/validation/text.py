"""A comparison as text: a line per row, families of equal rows on one line, causes beneath."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.ir.quantity import digits_text
from edgesim.validation.comparison import Comparison
from edgesim.validation.verdict import Row

DIGITS = 4


def comparison_text(comparison: Comparison, every_row: bool = False) -> str:
    """All groups; the last line counts the verdicts."""
    blocks = [
        "\n".join([name, *_group_lines(rows, every_row)])
        for name, rows in comparison.groups().items()
    ]
    counts = ", ".join(f"{verdict} {count}" for verdict, count in comparison.counts.items())
    return "\n\n".join([*blocks, f"{len(comparison.rows)} rows: {counts}"])


def _group_lines(rows: Sequence[Row], every_row: bool) -> list[str]:
    folded: dict[str, list[Row]] = {}
    lines: list[list[Row]] = []
    for row in rows:
        family = "" if every_row or row.difference != 0 else row.figure.family
        key = f"{row.verdict} {family}"
        if family and key in folded:
            folded[key].append(row)
            continue
        lines.append([row])
        if family:
            folded[key] = lines[-1]
    texts = [_folded(group) if len(group) > 1 else _line(group[0]) for group in lines]
    return _aligned(texts)


def _folded(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    first = rows[0]
    what = f"{first.figure.family}: {len(rows)} rows"
    return [first.verdict, what, "", "", "+0 %", first.tolerance_text], []


def _line(row: Row) -> tuple[list[str], list[str]]:
    """The cells of a row, and what is written beneath it."""
    figure, simulated = row.figure, row.simulated
    unit = f" {figure.unit}" if figure.unit else ""
    published = _range(figure.value, figure.low, figure.high) + unit
    notes = []
    if simulated.value is None:
        cells = [row.verdict, figure.what, published, "not available", "", row.tolerance_text]
        return cells, [simulated.note]
    value = _range(simulated.value, simulated.low, simulated.high) + unit
    difference = f"{100 * (row.difference or 0.0):+.3g} %"
    cells = [row.verdict, figure.what, published, value, difference, row.tolerance_text]
    if simulated.note:
        notes.append(simulated.note)
    if figure.input_of_model:
        notes.append(f"input of the model: {figure.input_of_model}")
    if figure.cause and row.difference != 0:
        notes.append(figure.cause)
    return cells, notes


def _range(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None or low == high:
        return _number(value)
    return f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    if 1000 <= abs(value) < 1e15:
        return f"{round(value):,}"
    return digits_text(value, DIGITS)


def _aligned(lines: Sequence[tuple[list[str], list[str]]]) -> list[str]:
    head = ["", "", "figure", "simulated", "difference", "tolerance"]
    table = [head, *(cells for cells, _ in lines)]
    widths = [max(len(cells[i]) for cells in table) for i in range(len(head))]
    texts = []
    followers = [notes for _, notes in lines[1:]] + [[]]
    for cells, notes, following in [
        (head, [], []),
        *((*ln, f) for ln, f in zip(lines, followers, strict=True)),
    ]:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        texts.append(f"  {padded}".rstrip())
        texts += [f"          {note}" for note in notes if note not in following]
    return texts
