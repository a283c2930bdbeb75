"""The roofline of a segment: what no schedule on this chip can beat."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.units import TICKS_PER_S, period_ticks


@dataclass(frozen=True)
class SegmentBound:
    """Lower bounds of one segment."""

    macs: int
    """Multiply-accumulates of the model, padding left out, zeros included."""
    compute_s: float
    """At n² a cycle."""
    memory_s: float
    """Compulsory bits through the ports, the slowest medium counting."""

    @property
    def seconds(self) -> float:
        """The larger of the two."""
        return max(self.compute_s, self.memory_s)


def segment_bound(plan: SegmentPlan, trace: OpTrace, chip: AcceleratorSpec) -> SegmentBound:
    """Compute and memory bound of a planned segment."""
    macs = sum(op.macs for op in plan.ops if _on_pu(op))
    n = chip.pu.vector_size
    bits: dict[str, int] = {}
    for op in plan.ops:
        stored = sum(chunk.stored_bits for chunk in op.chunks) + op.parameter_bits
        if stored:
            bits[op.medium] = bits.get(op.medium, 0) + stored
    for read in plan.embedding_reads:
        bits[read.medium] = bits.get(read.medium, 0) + read.bits
    cycle_s = period_ticks(chip.clock.frequency_hz) / TICKS_PER_S
    memory = max(
        (b * cycle_s / chip.storage[storage_family(m)].port_bits for m, b in bits.items()),  # type: ignore[index]
        default=0.0,
    )
    return SegmentBound(macs, macs * cycle_s / (n * n), memory)


def _on_pu(op: object) -> bool:
    return getattr(op, "unit", "") == "pu"
