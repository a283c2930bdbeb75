"""How long a medium lasts that spilled activations are written to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.plan import SegmentPlan
from edgesim.tech import Technology, medium_of

BITS_PER_BYTE = 8


def wear_notes(
    chip: AcceleratorSpec, technology: Technology, plans: Sequence[SegmentPlan],
    counts: NDArray[np.int64], num_sentences: int,
) -> tuple[str, ...]:  # fmt: skip
    """A line where a run wears a medium out; `counts` says how often each plan was played.

    Sentences until every cell has seen its endurance, writes spread evenly over the medium.
    """
    medium = chip.placement.activation[-1]
    family = storage_family(medium)
    if not medium_of(medium).is_non_volatile:
        return ()
    written = sum(
        int(count) * move.bits * move.passes
        for plan, count in zip(plans, counts, strict=True)
        for op in plan.ops
        for move in (*op.stores, *op.entry_stores)
        if move.medium == medium
    )
    if not written:
        return ()
    bits = written / num_sentences
    endurance = technology.interval(f"{medium}.endurance_writes")
    capacity = chip.storage[family].capacity_bytes * BITS_PER_BYTE
    value, low, high = (
        e * capacity / bits for e in (endurance.value, endurance.low, endurance.high)
    )
    return (
        f"activations write {bits / BITS_PER_BYTE:,.0f} bytes a sentence to {medium}: spread "
        f"evenly over it, its cells last {value:.3g} [{low:.3g}, {high:.3g}] sentences",
    )
