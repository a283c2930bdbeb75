"""Sums of products as the array's accumulators hold them: exact, saturating at their width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.functional.chip import kernels

Whole = NDArray[np.float64]
"""Whole numbers below 2^53, held in float64."""
EXACT_BITS = 53
"""Magnitudes up to 2^53 are exact in float64."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Accumulators of a product."""

    totals: Whole
    num_saturated: int
    """Accumulators that reached an end of their range on the way."""


def accumulate(
    left: Whole, right: Whole, num_bits: int, vector_size: int, largest: float | None = None
) -> Sums:
    """left·rightᵀ over the last axes in accumulators of `num_bits`, two's complement.

    Leading axes of (…, m, k) and (…, n, k) are those of `numpy.matmul`. A tile of `vector_size`
    products is summed without loss, then added; the accumulator saturates. `largest` bounds the
    magnitude of all operands; None looks for it.

    BLAS in float64 gives these sums exactly: with operands of at most A and B in magnitude every
    product is a whole number of at most A·B and every partial sum, in any order, of at most k·A·B;
    whole numbers up to 2^53 are exact. AdaptivFloat<8,3> operands are at most 31·2^7 < 2^12, so
    k may reach 2^29; INT8 operands are at most 2^7. InputError where k·A·B reaches 2^53.
    Where no partial sum can leave the range (by k·A·B, else by the sum of magnitudes) the
    accumulator never saturates and its value is the sum; the others are added tile by tile.
    """
    reduction, highest = left.shape[-1], 2 ** (num_bits - 1) - 1
    worst = reduction * (largest or np.inf) ** 2
    if worst > highest:
        worst = reduction * _most(left) * _most(right)
    if worst >= 2**EXACT_BITS:
        raise InputError(
            f"sums of {reduction} products of operands up to {_most(left):.0f} and "
            f"{_most(right):.0f} need more than {EXACT_BITS} bits; use narrower operands"
        )
    totals: Whole = left @ np.swapaxes(right, -1, -2)
    if worst <= highest:
        return Sums(totals, 0)
    at_risk = np.abs(left) @ np.swapaxes(np.abs(right), -1, -2) > highest
    return Sums(totals, _saturate(left, right, totals, at_risk, num_bits, vector_size))


def _most(operands: Whole) -> float:
    return max(float(operands.max(initial=0.0)), -float(operands.min(initial=0.0)))


def _saturate(
    left: Whole, right: Whole, totals: Whole, at_risk: NDArray[np.bool_], num_bits: int,
    vector_size: int,
) -> int:  # fmt: skip
    """Replace the totals at risk by those of the accumulator, in place; how many saturated."""
    lowest, highest = -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1
    lead = totals.shape[:-2]
    lefts = np.broadcast_to(left, (*lead, *left.shape[-2:]))
    rights = np.broadcast_to(right, (*lead, *right.shape[-2:]))
    saturated = 0
    for index in np.ndindex(*lead):
        chosen = np.argwhere(at_risk[index])
        if len(chosen):
            rows = lefts[index].astype(np.int64), rights[index].astype(np.int64)
            saturated += int(
                kernels.accumulate_some(*rows, chosen, vector_size, lowest, highest, totals[index])
            )
    return saturated
