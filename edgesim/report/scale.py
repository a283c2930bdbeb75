"""The scale of a model's work as text."""

from __future__ import annotations

from edgesim.ir.quantity import digits_text, interval_text, quantity_text
from edgesim.ir.scale import LayerScale, LengthScale, WorkScale
from edgesim.report.table import text_table

HEADER = (
    "tokens", "latency", "per token", "energy", "traffic", "bound", "layers", "compute", "memory",
    "waits",
)  # fmt: skip


def scale_text(scale: WorkScale) -> str:
    """A line per length and bound, and where layers turn from memory- to compute-bound.

    Compute is array and special function unit, memory the transfers, waits what of them nothing
    hides: means over the layers of the line.
    """
    rows = [row for length in scale.lengths for row in _rows(length)]
    turns = [
        f"memory-bound up to {before} tokens, compute-bound from {after} on: {_names(layers)}"
        for (before, after), layers in scale.turning_points().items()
    ]
    head = f"{scale.model} on {scale.chip}, one sentence at full depth, batch 1"
    return "\n\n".join([head, text_table(HEADER, rows), *(["\n".join(turns)] if turns else [])])


def _rows(length: LengthScale) -> list[tuple[str, ...]]:
    groups: dict[str, list[LayerScale]] = {}
    for layer in length.layers:
        groups.setdefault(layer.bound, []).append(layer)
    lead: tuple[str, ...] = (
        str(length.num_tokens), quantity_text(length.latency_s, "s"),
        quantity_text(length.latency_s / length.num_tokens, "s"),
        interval_text(length.energy_j, "J"),
        f"{digits_text(length.traffic_over_compulsory)} x",
    )  # fmt: skip
    rows = []
    for bound, layers in groups.items():
        means = (
            sum(getattr(layer, name) for layer in layers) / len(layers)
            for name in ("compute_s", "memory_s", "waiting_s")
        )
        cells = (*lead, bound, _names([la.layer for la in layers]))
        rows.append((*cells, *(quantity_text(mean, "s") for mean in means)))
        lead = ("",) * len(lead)
    return rows


def _names(layers: list[str]) -> str:
    """Layers in words, runs of numbers joined: `embedding, layer 1 to 6`."""
    words: list[str] = []
    runs: dict[str, list[int]] = {}
    for name in layers:
        kind, _, number = name.rpartition(" ")
        if number.isdecimal():
            runs.setdefault(kind, []).append(int(number))
        else:
            words.append(name)
    return ", ".join([*words, *(f"{kind} {_spans(found)}" for kind, found in runs.items())])


def _spans(numbers: list[int]) -> str:
    """Rising numbers in words: `1 to 3, 5`."""
    spans = [[numbers[0], numbers[0]]]
    for number in numbers[1:]:
        if number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in spans)
