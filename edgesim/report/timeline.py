"""One sentence's events as a Chrome/Perfetto trace: units as rows, ops with their shapes.

Trace event format: complete (`X`), instant (`i`) and metadata (`M`) events, microseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.ir.run import SimulationRun

TICKS_PER_US = 1e6
SEGMENTS, EXITS = "segments", "exit"
_FIRST_ROWS = (SEGMENTS, EXITS, "host", "pu", "sfu")
_WORKERS = ("pu", "sfu", "dma")

Event = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ExitRecord:
    """What the exit decisions of a run compared."""

    entropies: NDArray[np.float64] | None
    """Entropy in nats at every off-ramp, (num_sentences, num_layers); None where unknown."""
    threshold: float | None
    """Nats, strictly below leaves; None where exits are off."""


@dataclass(frozen=True)
class Span:
    """One event of a log that takes time, on the row where it is drawn."""

    row: str
    name: str
    unit: str
    action: str
    start_ticks: int
    end_ticks: int
    count: int
    bits: int


def timeline_events(
    run: SimulationRun, plans: Sequence[SegmentPlan], sentences: Sequence[int], exits: ExitRecord
) -> list[Event]:
    """Trace events of some sentences, 1-based: one process each, starting at its own time 0.

    `plans` holds the plan of every segment of the run. `ts` and `dur` are microseconds with the
    tick kept: `round(1e6 * ts)` is the tick. Events come in time order, metadata first; of a
    unit's counts that take no time each is an argument of the span before it. Raises InputError
    for a sentence that the run lacks.
    """
    total = len(run.sentence_segments)
    wrong = [number for number in sentences if not 1 <= number <= total]
    if wrong or not sentences:
        asked = f"sentence {wrong[0]}" if wrong else "no sentence"
        raise InputError(f"timeline: {asked}; the run has sentences 1 to {total}")
    metadata: list[Event] = []
    timed: list[Event] = []
    for number in dict.fromkeys(sentences):
        events = list(_sentence(run, plans, number, exits))
        rows = _row_order({str(event["tid"]) for event in events})
        for event in events:
            event["tid"] = rows[event["tid"]]
        timed += events
        metadata += _names(run, number, rows)
    timed.sort(key=lambda event: (event["ts"], event["pid"], event["tid"], -event.get("dur", 0)))
    return metadata + timed


def _sentence(
    run: SimulationRun, plans: Sequence[SegmentPlan], number: int, exits: ExitRecord
) -> Iterator[Event]:
    begin = 0
    for index in run.sentence_segments[number - 1]:
        segment, plan = run.segments[index], plans[index]
        duration = segment.log.duration_ticks
        facts = {
            "layer": segment.layer, "tokens": plan.num_tokens, "ops": len(plan.ops),
            "traffic_bits": plan.traffic_bits, "spilled_tensors": list(plan.spilled_tensors),
        }  # fmt: skip
        if segment.point is not None:
            facts["operating_point"] = segment.point.words()
        yield _complete(number, SEGMENTS, segment.label, "segment", begin, duration, facts)
        ops = {(op.name, op.unit): op for op in plan.ops} | {op.name: op for op in plan.ops}
        spans = log_spans(segment.log)
        for span, counts in zip(spans, span_counts(segment.log, spans), strict=True):
            yield _unit_event(number, begin, span, counts, ops)
            if span.action == "decide":
                yield _decision(run, number, begin + span.end_ticks, segment.layer, exits)
        begin += duration


def log_spans(log: EventLog) -> list[Span]:
    """The events of a log that take time; transfers of the DMA are told apart by medium."""
    spans = []
    media: dict[tuple[int, int, str, int], list[str]] = defaultdict(list)
    for at in np.flatnonzero(log.end_ticks > log.start_ticks).tolist():
        unit, action = log.unit_names[log.unit[at]], log.action_names[log.action[at]]
        name = log.op_names[log.op[at]]
        start, end, bits = (int(c[at]) for c in (log.start_ticks, log.end_ticks, log.bits))
        if action in ("read", "write"):
            media[start, end, name, bits].append(unit)
        spans.append(Span(unit, name, unit, action, start, end, int(log.count[at]), bits))
    return [_on_channel(span, media) if span.unit == "dma" else span for span in spans]


def _on_channel(span: Span, media: Mapping[tuple[int, int, str, int], list[str]]) -> Span:
    """A DMA transfer on the row of its medium: the one whose access it carries."""
    found = media.get((span.start_ticks, span.end_ticks, span.name, span.bits))
    if not found:
        return span
    return replace(span, row=f"dma {found.pop(0)}")


def span_counts(log: EventLog, spans: Sequence[Span]) -> list[dict[str, int]]:
    """Per span the counts without duration that belong to it: `pu.mac`, `operand0.data_read_bits`.

    A count goes to the last span of its op that began by then, on its own unit if that has one,
    else on a unit that works; a count ahead of every span of its op goes to the first.
    """
    by_op: dict[str, list[int]] = defaultdict(list)
    for position, span in enumerate(spans):
        by_op[span.name].append(position)
    found: list[dict[str, int]] = [{} for _ in spans]
    for at in np.flatnonzero(log.end_ticks == log.start_ticks).tolist():
        unit, action = log.unit_names[log.unit[at]], log.action_names[log.action[at]]
        own = by_op.get(log.op_names[log.op[at]]) or list(range(len(spans)))
        same = [position for position in own if spans[position].unit == unit]
        worked = same or [p for p in own if spans[p].unit in _WORKERS] or own
        if not worked:
            continue
        begun = int(log.start_ticks[at]) + bool(same)
        before = [p for p in worked if spans[p].start_ticks < begun]
        entry = found[before[-1] if before else worked[0]]
        bits = int(log.bits[at])
        name = f"{unit}.{action}_bits" if bits else f"{unit}.{action}"
        entry[name] = entry.get(name, 0) + (bits or int(log.count[at]))
    return found


def _unit_event(
    number: int, begin: int, span: Span, counts: dict[str, int],
    ops: Mapping[Any, PlannedOp],
) -> Event:  # fmt: skip
    facts: Event = {"action": span.action, "count": span.count}
    if span.bits:
        facts["bits"] = span.bits
    op = ops.get((span.name, span.unit)) or ops.get(span.name)
    if op is not None:
        facts |= _shape(op)
    if counts:
        facts["counts"] = counts
    length = span.end_ticks - span.start_ticks
    kind = span.action if op is None else op.kind
    return _complete(number, span.row, span.name, kind, begin + span.start_ticks, length, facts)


def _shape(op: PlannedOp) -> Event:
    """Kind and dimensions of an op, per repeat."""
    product = op.unit == "pu"
    sizes = (op.rows, op.reduction, op.columns) if product else (op.rows, op.reduction)
    names = ("rows", "reduction", "columns") if product else ("rows", "length")
    facts: Event = {"kind": op.kind, "shape": " x ".join(map(str, sizes))}
    facts |= dict(zip(names, sizes, strict=True))
    if op.repeats > 1:
        facts["repeats"] = op.repeats
    if op.chunks:
        facts["order"] = op.order
    if op.fused_activation:
        facts["fused_activation"] = op.fused_activation
    return facts


def _decision(run: SimulationRun, number: int, tick: int, layer: int, exits: ExitRecord) -> Event:
    """The instant at which the host decides whether the sentence leaves."""
    entropy = None if exits.entropies is None else float(exits.entropies[number - 1, layer - 1])
    leaves = layer == int(run.exit_layers[number - 1])
    words = "leave" if leaves else "go on"
    facts = {
        "layer": layer, "leaves": leaves, "entropy_nats": _finite(entropy),
        "threshold_nats": _finite(exits.threshold),
    }  # fmt: skip
    return {
        "name": f"{words} after layer {layer}", "cat": "exit", "ph": "i", "s": "t",
        "ts": tick / TICKS_PER_US, "pid": number, "tid": EXITS, "args": facts,
    }  # fmt: skip


def _finite(value: float | None) -> float | str | None:
    """A number that JSON can hold; infinities in words."""
    return str(value) if value is not None and not np.isfinite(value) else value


def _complete(
    number: int, row: str, name: str, category: str, start: int, length: int, facts: Event
) -> Event:
    return {
        "name": name, "cat": category, "ph": "X", "ts": start / TICKS_PER_US,
        "dur": length / TICKS_PER_US, "pid": number, "tid": row, "args": facts,
    }  # fmt: skip


def _row_order(names: set[str]) -> dict[str, int]:
    """Row numbers: segments, exits and units first, then DMA channels, then storage media."""
    rest = sorted(names.difference(_FIRST_ROWS), key=lambda n: (not n.startswith("dma"), n))
    ordered = [name for name in _FIRST_ROWS if name in names] + rest
    return {name: number for number, name in enumerate(ordered, start=1)}


def _names(run: SimulationRun, number: int, rows: Mapping[str, int]) -> Iterator[Event]:
    """Metadata events that name the process of a sentence and its rows."""
    tokens, leave = int(run.num_tokens[number - 1]), int(run.exit_layers[number - 1])
    title = f"sentence {number}: {tokens} tokens, out after layer {leave}"
    yield _metadata("process_name", number, 0, {"name": title})
    yield _metadata("process_sort_index", number, 0, {"sort_index": number})
    for name, row in rows.items():
        yield _metadata("thread_name", number, row, {"name": name})
        yield _metadata("thread_sort_index", number, row, {"sort_index": row})


def _metadata(name: str, process: int, row: int, facts: Event) -> Event:
    return {"name": name, "ph": "M", "pid": process, "tid": row, "ts": 0, "args": facts}
