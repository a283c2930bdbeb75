"""One result as text for a terminal."""

from __future__ import annotations

from edgesim.ir.quantity import percent_text, quantity_text
from edgesim.ir.result import SimResult
from edgesim.report.compare import compare
from edgesim.report.sections import header_line


def result_text(result: SimResult) -> str:
    """Figures, each layer's limit in words, schedule range, notes, and what is not modelled."""
    blocks = [header_line([result]), compare([result]).to_text()]
    if result.bottlenecks:
        limits = [f"  {row.layer}: {row.limit}" for row in result.bottlenecks]
        blocks.append("\n".join(["limits", *limits]))
    if result.schedule_range_s:
        parts = ", ".join(
            f"{1e3 * seconds:.3g} ms {name}"
            for name, seconds in sorted(result.schedule_range_s.items(), key=lambda item: item[1])
        )
        blocks.append(f"mean latency by schedule of the special function unit: {parts}")
    if result.time_parts_s:
        blocks.append(time_parts_text(result))
    for heading, lines in (
        ("notes", result.notes),
        ("assumed", result.assumed),
        ("fitted", result.fitted),
        ("not modelled", result.not_modelled),
    ):
        blocks.append("\n".join([heading, *(f"  {line}" for line in lines or ("none",))]))
    return "\n\n".join(blocks)


def time_parts_text(result: SimResult) -> str:
    """Where the time of the mean sentence goes, part by part; nothing overlaps."""
    total = sum(result.time_parts_s.values())
    width = max(len(name) for name in result.time_parts_s)
    rows = [
        f"  {name:<{width}}  {quantity_text(seconds, 's'):>10}  {percent_text(seconds / total):>6}"
        for name, seconds in result.time_parts_s.items()
    ]
    return "\n".join(["where the time goes", *rows])
