"""A study of a chip's arithmetic as text: departures by op and layer, accuracy by variant."""

from __future__ import annotations

import re

from edgesim.ir.numerics_study import NumericsStudy
from edgesim.ir.quantity import percent_text
from edgesim.report.table import text_table

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


def numerics_text(study: NumericsStudy) -> str:
    """Both tables with what they rest on."""
    head = (
        f"{study.model} on {study.chip}: {study.num_sentences} sentences ({study.sentences}); "
        f"registers follow {study.calibration or 'the trace'}"
    )
    return "\n\n".join([head, departure_text(study), variant_text(study), *_remarks(study)])


def _remarks(study: NumericsStudy) -> list[str]:
    return ["\n".join(["notes", *(f"  {line}" for line in study.remarks)])] if study.remarks else []


def departure_text(study: NumericsStudy) -> str:
    """Relative departure from float32, a row per op and a column per layer.

    Numbers in an op's module path stand as *.
    """
    layers = sorted({row.layer for row in study.departures})
    cells: dict[str, dict[int, str]] = {}
    for row in study.departures:
        name = _NUMBER.sub("*", row.op)
        label = f"{name} ({row.kind})"
        text = f"{100 * row.relative:.1f}"
        cells.setdefault(label, {})[row.layer] = text
    prefix = _common_prefix(list(cells))
    rows = [
        [label.removeprefix(prefix), *(found.get(layer, "") for layer in layers)]
        for label, found in cells.items()
    ]
    names = ["embedding" if layer == 0 else f"layer {layer}" for layer in layers]
    return text_table(["departure from float32, % of its RMS", *names], rows)


def _common_prefix(names: list[str]) -> str:
    """Leading module path that most names share."""
    first = names[0].split(".")[0] + "."
    return first if sum(name.startswith(first) for name in names) > len(names) / 2 else ""


def variant_text(study: NumericsStudy) -> str:
    """Accuracy of every arithmetic, against float32, with how often something did not fit."""
    reference = study.variants[0]
    rows = []
    for row in study.variants:
        events = ", ".join(f"{count:,} {event}" for event, count in sorted(row.events.items()))
        rows.append(
            [
                row.name,
                f"{percent_text(row.accuracy)} [{100 * row.accuracy_low:.1f}, "
                f"{100 * row.accuracy_high:.1f}]",
                f"{100 * (row.accuracy - reference.accuracy):+.1f}",
                "n/a" if row.exit_accuracy is None else percent_text(row.exit_accuracy),
                "n/a" if row.average_exit_layer is None else f"{row.average_exit_layer:.2f}",
                events,
            ]
        )
    exits = "n/a" if study.exit_threshold is None else f"exit < {study.exit_threshold:g}"
    header = [
        "arithmetic", "accuracy, full depth", "points", exits, "average exit", "did not fit",
    ]  # fmt: skip
    return text_table(header, rows)
