"""Accumulators: BLAS against whole-number references, saturation at the edge, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twins.chip_arithmetic import accumulate_plainly

from edgesim.errors import InputError
from edgesim.functional.chip import kernels
from edgesim.functional.chip.products import accumulate
from edgesim.numerics import AdaptivFloat

OPERANDS = AdaptivFloat(8, 3).code_table(4)  # (16 + mantissa)·2^exponent with their signs
LARGEST = 3968.0


def codes(*shape: int, seed: int) -> np.ndarray:
    return OPERANDS[np.random.default_rng(seed).integers(0, 256, shape)]


def test_the_largest_operand_is_the_one_that_the_proof_counts_with() -> None:
    assert np.abs(OPERANDS).max() == LARGEST == 31 * 2**7


@pytest.mark.parametrize("num_bits", [16, 24, 30, 40])
@pytest.mark.parametrize("k", [1, 15, 16, 17, 100])
def test_accumulators_equal_python_integers_on_random_codes(num_bits: int, k: int) -> None:
    left, right = codes(7, k, seed=k), codes(5, k, seed=k + 1)
    got = accumulate(left, right, num_bits, 16)
    expected = accumulate_plainly(left, right, num_bits, 16)
    np.testing.assert_array_equal(got.totals, expected.totals)
    assert got.num_saturated == expected.num_saturated


@pytest.mark.parametrize("num_bits", [24, 30, 40])
def test_blas_equals_the_integer_kernel_where_everything_is_as_large_as_it_gets(
    num_bits: int,
) -> None:
    """All products at the maximum, all at the minimum, alternating, and one last small one."""
    k = 3072
    patterns = np.stack([
        np.full(k, LARGEST), np.full(k, -LARGEST), LARGEST * (-1.0) ** np.arange(k),
        np.where(np.arange(k) < k // 2, LARGEST, -LARGEST),
        np.where(np.arange(k) == k - 1, 17.0, LARGEST),
    ])  # fmt: skip
    got = accumulate(patterns, patterns, num_bits, 16)
    whole = patterns.astype(np.int64)
    out = np.zeros((5, 5))
    every = np.argwhere(np.ones((5, 5), dtype=bool))
    lowest, highest = -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1
    saturated = kernels.accumulate_some(whole, whole, every, 16, lowest, highest, out)
    np.testing.assert_array_equal(got.totals, out)
    assert got.num_saturated == saturated
    assert (saturated == 0) == (num_bits == 40)


def test_forty_bits_hold_what_the_profile_says_and_not_one_product_more() -> None:
    """2^39 - 1 over 31²·2^14 is 34,916.1: so many products fit, one more does not."""
    fits = np.full((1, 34916), LARGEST)
    assert accumulate(fits, fits, 40, 16).num_saturated == 0
    over = np.full((1, 34917), LARGEST)
    found = accumulate(over, over, 40, 16)
    assert (found.num_saturated, found.totals[0, 0]) == (1, 2**39 - 1)


def test_saturation_is_remembered_by_the_order_of_tiles() -> None:
    """Up to the end of the range and back: what was cut off is missing."""
    left = np.repeat([1.0, -1.0], 16)[np.newaxis] * 100
    right = np.full((1, 32), 100.0)
    found = accumulate(left, right, 16, 16)
    assert (found.num_saturated, found.totals[0, 0]) == (1, -32768)  # not 160,000 - 160,000
    narrower = accumulate(left / 4, right, 16, 16)
    assert (narrower.num_saturated, narrower.totals[0, 0]) == (1, 2**15 - 1 - 40000)


def test_a_tile_is_summed_without_loss() -> None:
    """+ and - within one tile cancel before the accumulator sees them; across tiles they do not."""
    row = np.array([[200.0, -200.0]])
    ones = np.full((1, 2), 200.0)
    assert accumulate(row, ones, 16, 2).num_saturated == 0
    assert accumulate(row, ones, 16, 1).num_saturated == 1


def test_leading_axes_are_sentences_and_heads() -> None:
    left, right = codes(2, 3, 4, 20, seed=1), codes(2, 3, 5, 20, seed=2)
    got = accumulate(left, right, 24, 16)
    for i, j in np.ndindex(2, 3):
        expected = accumulate_plainly(left[i, j], right[i, j], 24, 16)
        np.testing.assert_array_equal(got.totals[i, j], expected.totals)


def test_operands_beyond_what_float64_holds_are_refused() -> None:
    wide = np.full((1, 4), 2.0**26)
    with pytest.raises(InputError, match="more than 53 bits"):
        accumulate(wide, wide, 60, 16)


@settings(deadline=None)
@given(st.integers(1, 70), st.integers(0, 2**31))
def test_padding_with_zeros_changes_no_sum(k: int, seed: int) -> None:
    left, right = codes(3, k, seed=seed), codes(2, k, seed=seed + 1)
    padded = [np.pad(x, [(0, 0), (0, -k % 16)]) for x in (left, right)]
    plain, with_zeros = accumulate(left, right, 24, 16), accumulate(*padded, 24, 16)
    np.testing.assert_array_equal(plain.totals, with_zeros.totals)
    assert plain.num_saturated == with_zeros.num_saturated
