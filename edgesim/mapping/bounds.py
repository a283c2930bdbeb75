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
    n = chip.pu.vector_size
    cycle_s = period_ticks(chip.clock.frequency_hz) / TICKS_PER_S
    ports = {
        medium: bits / chip.storage[storage_family(medium)].port_bits
        for medium, bits in plan.stored_reads.items()
    }
    memory_s = max(ports.values(), default=0.0) * cycle_s
    return SegmentBound(plan.macs, plan.macs * cycle_s / (n * n), memory_s)
