"""Intervals and percentiles against literature, exact arithmetic and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgesim.errors import InputError
from edgesim.statistics import (
    bootstrap_means,
    loss_with_margin,
    nearest_rank,
    paired_difference,
    sample_range,
    wilson_proportion,
)

VALUES = npst.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6))


@pytest.mark.parametrize(
    ("correct", "num", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_wilson_interval_is_that_of_newcombe_1998(
    correct: int, num: int, low: float, high: float
) -> None:
    """Literature: Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    proportion = wilson_proportion(correct, num)
    assert proportion.value == correct / num
    assert (proportion.low, proportion.high) == pytest.approx((low, high), abs=5e-5)


COUNTS = st.integers(1, 10**9).flatmap(
    lambda num: st.tuples(st.one_of(st.sampled_from((0, num)), st.integers(0, num)), st.just(num))
)


@given(COUNTS)
def test_the_wilson_interval_holds_its_proportion(counts: tuple[int, int]) -> None:
    proportion = wilson_proportion(*counts)
    assert 0 <= proportion.low <= proportion.value <= proportion.high <= 1
    assert proportion.low < proportion.high


@pytest.mark.parametrize("num", range(1, 70))
def test_none_right_and_all_right_end_at_exactly_zero_and_one(num: int) -> None:
    """Rounding alone gave 2.8e-17 for 0 of 10 and 1 - 1.1e-16 for 9 of 9."""
    none, every = wilson_proportion(0, num), wilson_proportion(num, num)
    assert (none.low, every.high) == (0.0, 1.0)
    z2 = 1.959963984540054**2
    assert none.high == pytest.approx(z2 / (num + z2), rel=1e-12)
    assert every.low == pytest.approx(num / (num + z2), rel=1e-12)


@pytest.mark.parametrize(("correct", "num"), [(0, 0), (-1, 5), (6, 5)])
def test_a_proportion_that_cannot_be_is_refused(correct: int, num: int) -> None:
    with pytest.raises(InputError, match=f"a proportion of {correct} in {num} does not exist"):
        wilson_proportion(correct, num)


def test_the_paired_difference_counts_only_rows_that_differ() -> None:
    """Agresti and Min (2005): add 1/2 to each cell, then Wald."""
    model = np.array([True] * 80 + [True] * 4 + [False] * 9 + [False] * 7)
    reference = np.array([True] * 80 + [False] * 4 + [True] * 9 + [False] * 7)
    pair = paired_difference(model, reference)
    assert (pair.only_model_right, pair.only_reference_right) == (4, 9)
    assert pair.difference == pytest.approx(-0.05)
    centre, spread = -5 / 102, math.sqrt((4.5 + 9.5) - 25 / 102) / 102
    assert pair.low == pytest.approx(centre - 1.959964 * spread, abs=1e-6)
    assert pair.high == pytest.approx(centre + 1.959964 * spread, abs=1e-6)


def test_equal_models_still_have_an_interval() -> None:
    right = np.array([True, False] * 50)
    pair = paired_difference(right, right)
    assert pair.difference == 0
    assert pair.low < 0 < pair.high


@given(npst.arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 60))))
def test_the_paired_interval_holds_its_difference_and_turns_around(rows: np.ndarray) -> None:
    pair, back = paired_difference(rows[0], rows[1]), paired_difference(rows[1], rows[0])
    assert pair.low <= pair.difference <= pair.high
    assert (back.difference, back.low, back.high) == (-pair.difference, -pair.high, -pair.low)


def test_a_loss_with_margin_is_that_of_the_four_counts() -> None:
    """Of 100 rows 9 are lost and 4 gained: 0.05 and sqrt(13 - 25/100) / 100."""
    model = np.array([True] * 84 + [False] * 16)
    reference = np.array([True] * 80 + [False] * 4 + [True] * 9 + [False] * 7)
    assert loss_with_margin(model, reference) == pytest.approx(0.05 + math.sqrt(12.75) / 100)
    assert loss_with_margin(reference, reference) == 0


@pytest.mark.parametrize("compare", [paired_difference, loss_with_margin])
@pytest.mark.parametrize(("num", "reference_num"), [(3, 4), (0, 0)])
def test_other_rows_and_no_rows_are_refused(compare, num: int, reference_num: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="paired comparison"):
        compare(np.zeros(num, dtype=bool), np.zeros(reference_num, dtype=bool))


@given(VALUES, st.integers(0, 100))
def test_the_nearest_rank_is_the_smallest_value_that_covers_the_share(
    values: np.ndarray, percent: int
) -> None:
    found = nearest_rank(values, percent / 100)
    assert found in values
    assert 100 * (values <= found).sum() >= percent * len(values)
    assert 100 * (values < found).sum() < max(percent * len(values), 1)


def test_the_nearest_rank_by_hand() -> None:
    assert nearest_rank([30.0, 10.0, 20.0, 40.0], 0.5) == 20
    assert nearest_rank([30.0, 10.0, 20.0, 40.0], 0.51) == 30
    assert nearest_rank(np.arange(1.0, 101.0), 0.07) == 7, "0.07 * 100 is above 7 in floats"
    assert nearest_rank([5.0], 0.95) == 5


def test_the_range_of_samples_is_interpolated_between_ranks() -> None:
    """Of 0…10 the 5th percentile lies half way between 0 and 1."""
    assert sample_range(list(map(float, range(10, -1, -1)))) == (0.5, 9.5)


def test_bootstrap_means_have_the_standard_error_of_the_mean_and_repeat() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    means = bootstrap_means(values, seed=5)
    assert means.mean() == pytest.approx(values.mean(), abs=0.02)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.1)
    assert means.tobytes() == bootstrap_means(values, seed=5).tobytes()
    assert means.tobytes() != bootstrap_means(values, seed=6).tobytes()
    shifted = bootstrap_means(values + 1, seed=5)
    assert shifted == pytest.approx(means + 1), "figures of one set are resampled alike"
