"""Tables as aligned text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def text_table(header: Sequence[str], rows: Rows) -> str:
    """Left-aligned columns two spaces apart, a rule under the header, no trailing spaces."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """A pipe table; pipes and line ends in cells are escaped. Without rows, the word `none`."""
    if not rows:
        return "none"
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def markdown_list(lines: Sequence[str]) -> str:
    """A bullet per line; without lines, the word `none`."""
    return "\n".join(f"- {' '.join(line.split())}" for line in lines) if lines else "none"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
