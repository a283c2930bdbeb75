"""Sections of a report, each as Markdown text made of results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgesim.ir.labels import absent_text, common_name, padding_text
from edgesim.ir.quantity import (
    NOT_MODELLED,
    digits_text,
    interval_text,
    percent_text,
    quantity_text,
)
from edgesim.ir.result import BreakdownRow, SimResult
from edgesim.report.table import markdown_list, markdown_table

GROUP_TITLES = (("unit", "By unit"), ("kind", "By op kind"), ("layer", "By layer"))
NO_BOTTLENECKS = {
    "gpu": "n/a: a GPU is modelled kernel by kernel",
    "host-cpu": "n/a: the machine at hand was timed as a whole",
}
ACCOUNT_WORDS = {"chip": "chip", "offchip": "off-chip memory", "host": "host"}


def header_line(results: Sequence[SimResult]) -> str:
    """Model, sentences, batch, sequence length and arithmetic of the activations."""
    models = _joined(result.model for result in results)
    sentences = _joined(str(result.num_sentences) for result in results)
    lengths = _joined(
        "S = own token count" if result.settings.get("pad_to") is None else padding_text(result)
        for result in results
    )
    arithmetic = _joined(
        str(result.settings.get("arithmetic") or "not stated") for result in results
    )
    return (
        f"**Model** {models} · **sentences** {sentences} · **batch** 1 · **length** {lengths} · "
        f"**activations** in {arithmetic}"
    )


def bottleneck_section(results: Sequence[SimResult], labels: Sequence[str]) -> str:
    """What limits each layer, a table per result."""
    header = ["layer", "limited by", "time", "PU busy", "SFU busy", "DMA busy", "DMA exposed"]
    blocks = []
    for result, label in zip(results, labels, strict=True):
        rows = [
            [row.layer, row.limit, quantity_text(row.latency_s, "s"),
             *(percent_text(share) for share in (row.pu_busy_fraction, row.sfu_busy_fraction,
               row.dma_busy_fraction, row.exposed_dma_fraction))]
            for row in result.bottlenecks
        ]  # fmt: skip
        told = NO_BOTTLENECKS.get(result.chip_kind) or markdown_table(header, rows)
        blocks.append(f"### {label}\n\n{told}")
    return "\n\n".join(blocks)


def breakdown_section(results: Sequence[SimResult], labels: Sequence[str]) -> str:
    """Mean energy, its share, and time by unit, op kind and layer, tables per result."""
    blocks = ["Means per sentence. Units overlap in time; op kinds and layers do not."]
    for result, label in zip(results, labels, strict=True):
        blocks.append(f"### {label}")
        for group, title in GROUP_TITLES:
            rows = [row for row in result.breakdown if row.group == group]
            blocks.append(f"**{title}**\n\n{_breakdown_table(rows, group, result)}")
    return "\n\n".join(blocks)


def _breakdown_table(rows: Sequence[BreakdownRow], group: str, result: SimResult) -> str:
    total = 0.0 if result.energy_j is None else result.energy_j.value
    with_account = group == "unit" and any(row.account for row in rows)
    time_header = "busy time" if group == "unit" else "time"
    header = [group, *(["counted as"] if with_account else []), "energy", "share", time_header]
    cells = [
        [row.name, *([ACCOUNT_WORDS.get(row.account, row.account)] if with_account else []),
         interval_text(row.energy_j, "J", absent=absent_text(result)),
         percent_text(row.energy_j.value / total if total and row.energy_j else None),
         quantity_text(row.latency_s, "s")]
        for row in rows
    ]  # fmt: skip
    return markdown_table(header, cells)


def storage_section(results: Sequence[SimResult], labels: Sequence[str]) -> str:
    """Area parts, spills, traffic and operating points, and what the mapper noted."""
    header = ["", "area", "spilled", "traffic / compulsory", "mean / roofline bound"]
    rows = [
        [label, interval_text(result.area_mm2, "mm²", absent=absent_text(result)),
         quantity_text(result.spilled_bytes, "B"),
         quantity_text(result.traffic_over_compulsory, "", absent="n/a"),
         digits_text(result.latency_s.value / result.ideal_latency_s)
         if result.ideal_latency_s else "n/a"]
        for result, label in zip(results, labels, strict=True)
    ]  # fmt: skip
    parts = [
        [label, name, interval_text(area, "mm²")]
        for result, label in zip(results, labels, strict=True)
        for name, area in result.area_parts_mm2.items()
    ]
    points = by_line(results, labels, lambda result: result.operating_points)
    notes = by_line(results, labels, lambda result: result.notes)
    return (
        f"{markdown_table(header, rows)}\n\n**Area by part**\n\n"
        f"{markdown_table(['', 'part', 'area'], parts)}\n\n**Operating points**\n\n"
        f"{markdown_list(points)}\n\n**What the mapping did**\n\n{markdown_list(notes)}"
    )


def schedule_section(results: Sequence[SimResult], labels: Sequence[str]) -> str:
    """Mean latency under every schedule of the special function unit, such as "45 ms fsm"."""
    lines = []
    for result, label in zip(results, labels, strict=True):
        ordered = sorted(result.schedule_range_s.items(), key=lambda item: (item[1], item[0]))
        said = ", ".join(f"{quantity_text(time_s, 's')} {name}" for name, time_s in ordered)
        lines.append(f"{label}: {said or 'n/a, it has no special function unit'}")
    return markdown_list(lines)


def by_line(
    results: Sequence[SimResult],
    labels: Sequence[str],
    lines_of: Callable[[SimResult], Sequence[str]],
) -> list[str]:
    """Each different line once, in order of appearance.

    A line that all results share stands alone; another is followed by those that have it.
    """
    owners: dict[str, list[str]] = {}
    for result, label in zip(results, labels, strict=True):
        for line in dict.fromkeys(lines_of(result)):
            owners.setdefault(line, []).append(label)
    return [
        line if len(mine) == len(results) else f"{line} — {common_name(results, labels, mine)}"
        for line, mine in owners.items()
    ]


def sources_section(results: Sequence[SimResult]) -> str:
    """Every technology entry that a result used, once, with value, range and source."""
    uses = dict.fromkeys(use for result in results for use in result.sources)
    rows = [
        [use.entry, NOT_MODELLED if use.value is None else f"{use.value:g}",
         "" if use.low is None or use.high is None else f"{use.low:g} to {use.high:g}",
         use.unit, use.kind, use.source]
        for use in sorted(uses, key=lambda use: use.entry)
    ]  # fmt: skip
    return markdown_table(["entry", "value", "range", "unit", "kind", "source"], rows)


def inputs_section(results: Sequence[SimResult], labels: Sequence[str]) -> str:
    """Content hashes of what each result was made from."""
    owners: dict[tuple[str, str], list[str]] = {}
    for result, label in zip(results, labels, strict=True):
        for name, content_hash in sorted(result.inputs.items()):
            owners.setdefault((name, content_hash), []).append(label)
    rows = [
        [name, f"`{content_hash}`", common_name(results, labels, mine)]
        for (name, content_hash), mine in sorted(owners.items())
    ]
    return markdown_table(["input", "content hash", "of"], rows)


def _joined(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(words))
