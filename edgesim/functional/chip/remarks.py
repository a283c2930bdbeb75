"""What the sound arithmetic of a chip could not hold, in words."""

from __future__ import annotations

from collections import Counter

import numpy as np

from edgesim.functional.chip.arithmetic import ChipArithmetic
from edgesim.functional.chip.profile import LOSSLESS_BITS


def remarks(arithmetic: ChipArithmetic) -> tuple[str, ...]:
    """Lines for a report: clamped registers, rounded weights, events of the sentences so far."""
    return (
        f"sums in {arithmetic.profile.accumulator_bits}-bit accumulators over "
        f"{arithmetic.profile.number_format} operands" + _energy_remark(arithmetic),
        f"exponent biases and scales follow {arithmetic.trace.calibration or 'the trace'}",
        *_clamped(arithmetic),
        *_rounded(arithmetic),
        *_events(arithmetic),
    )


def _energy_remark(arithmetic: ChipArithmetic) -> str:
    if not arithmetic.profile.number_format.startswith("adaptivfloat"):
        return ""
    if arithmetic.profile.accumulator_bits == 30:
        return ", as in the published processing element whose energy is used"
    return "; MAC energy is that of the published processing element, which has 30 bits"


def _clamped(arithmetic: ChipArithmetic) -> list[str]:
    """Tensors whose exponent bias does not fit its register."""
    trace, operands = arithmetic.trace, arithmetic.operands
    largest = {
        name: found for name in trace.tensors if (found := arithmetic.largest(name)) is not None
    }
    assert trace.values is not None
    for name in arithmetic.weights:
        largest[name] = float(np.max(np.abs(trace.values[name]), initial=0.0))
    clamped = [name for name, value in largest.items() if operands.is_clamped(value)]
    if not clamped:
        return []
    low, high = arithmetic.profile.spec.exponent_bias
    shown = ", ".join(clamped[:3]) + (", …" if len(clamped) > 3 else "")
    return [
        f"{len(clamped)} of {len(largest)} exponent biases lie outside {low} … {high} and were "
        f"clamped: {shown}"
    ]


def _rounded(arithmetic: ChipArithmetic) -> list[str]:
    """Whether the stored weights are in the chip's format already."""
    trace, operands = arithmetic.trace, arithmetic.operands
    assert trace.values is not None
    changed = sum(
        int((operands.integers(w.codes) * operands.unit(w.parameter) != trace.values[name]).sum())
        for name, w in arithmetic.weights.items()
    )
    total = sum(weight.codes.size for weight in arithmetic.weights.values())
    if not changed:
        return []
    return [
        f"weights were rounded to {arithmetic.profile.number_format}: {changed:,} of {total:,} "
        "changed"
    ]


def _events(arithmetic: ChipArithmetic) -> list[str]:
    """How often something saturated, clamped or wrapped, over all sentences."""
    totals: Counter[str] = Counter()
    worst: dict[str, tuple[int, str]] = {}
    for (event, op), count in arithmetic.counts.items():
        totals[event] += count
        worst[event] = max(worst.get(event, (0, "")), (count, op))
    lines = [
        f"{count:,} {event} over all sentences, {worst[event][0]:,} of them in {worst[event][1]}"
        for event, count in sorted(totals.items())
    ]
    held = arithmetic.profile.accumulator_bits
    if held < LOSSLESS_BITS and not any("accumulators" in event for event in totals):
        lines.append(f"no accumulator of {held} bits overflowed")
    return lines
