"""Where the time of a run goes when nothing overlaps: every tick belongs to one part."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.ir.plan import SegmentPlan
from edgesim.ir.run import SimulationRun
from edgesim.sim.operating_points import CHANGE, SUPPLY_UNIT
from edgesim.units import TICKS_PER_S

HOST_PARTS = {
    "issue": "configuration", "interrupt": "interrupts", "decide": "configuration",
    "copy": "host: copies",
}  # fmt: skip
STORAGE_PARTS = {"read": "AXI loads", "write": "AXI stores"}


def time_parts_s(run: SimulationRun, plans: Sequence[SegmentPlan]) -> dict[str, float]:
    """Mean seconds per sentence of each part, largest first; empty unless planned as commands.

    Parts: products, every special function, AXI loads and stores, configuration writes,
    interrupts, and the host's work by function. They sum to the mean latency.
    """
    if not any(plan.programs for plan in plans):
        return {}
    kinds = {op.name: op.kind for plan in plans for op in plan.ops}
    functions = {p.op: p.host_function for plan in plans for p in plan.programs if p.host_function}
    counts, sentences = run.segment_counts(), len(run.sentence_segments)
    log, owner = run.joined.log, run.joined.log_of_op
    sums = log.activity_sums()
    seconds: dict[str, float] = {}
    columns = (sums.unit, sums.action, sums.op, sums.busy_ticks)
    for unit, action, op, ticks in zip(*(c.tolist() for c in columns), strict=True):
        if ticks == 0 or log.unit_names[unit] == "dma":
            continue
        name = log.op_names[op]
        words = _part(log.unit_names[unit], log.action_names[action], kinds[name])
        part = words or f"host: {functions[name]}"
        weight = int(counts[owner[op]]) / sentences
        seconds[part] = seconds.get(part, 0.0) + ticks / TICKS_PER_S * weight
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def _part(unit: str, action: str, kind: str) -> str:
    """The part of a unit's action; empty for the host's computing."""
    if unit == "pu":
        return "matmul"
    if unit == "sfu":
        return kind
    if unit == SUPPLY_UNIT:
        return CHANGE
    if unit == "host":
        return HOST_PARTS.get(action, "")
    return STORAGE_PARTS[action]
