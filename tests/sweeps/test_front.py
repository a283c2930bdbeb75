"""Fronts: exact against brute force, ties, directions, the knee, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgesim.errors import InputError
from edgesim.sweeps.front import front_of, knee_index, nondominated

COSTS = arrays(
    np.float64, st.tuples(st.integers(0, 40), st.integers(1, 4)),
    elements=st.integers(-3, 3).map(float) | st.floats(-1e3, 1e3),
)  # fmt: skip


def dominates(one: np.ndarray, two: np.ndarray) -> bool:
    return bool((one <= two).all() and (one < two).any())


@given(COSTS)
def test_the_front_is_what_comparing_every_pair_gives(costs: np.ndarray) -> None:
    expected = [not any(dominates(other, row) for other in costs) for row in costs]
    assert nondominated(costs).tolist() == expected


@given(COSTS, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(costs: np.ndarray, random: object) -> None:
    order = np.random.default_rng(random.randint(0, 99)).permutation(len(costs))  # type: ignore[attr-defined]
    assert nondominated(costs[order]).tolist() == nondominated(costs)[order].tolist()


def test_equal_points_are_kept_together_and_negative_zero_is_zero() -> None:
    costs = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert nondominated(costs).tolist() == [True, True, True, False]


def test_a_point_without_a_figure_is_refused() -> None:
    with pytest.raises(InputError, match="number for every objective"):
        nondominated(np.array([[1.0, np.nan]]))


def test_the_knee_is_nearest_to_the_ideal_with_objectives_over_their_ranges() -> None:
    costs = np.array([[0.0, 1000.0], [1.0, 100.0], [10.0, 0.0]])
    assert knee_index(costs) == 1


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "label": list("abcde"),
            "status": ["feasible"] * 4 + ["infeasible"],
            "energy_j": [1.0, 2.0, 3.0, 2.0, 0.1],
            "accuracy": [0.7, 0.8, 0.75, None, 0.99],
        }
    )


def test_maximised_figures_count_upwards_and_infeasible_points_do_not_count() -> None:
    front = front_of(table(), (), ["energy_j"], ["accuracy"])
    assert front.members["label"].tolist() == ["a", "b"]
    assert front.left_out == 1
    assert "2 of 3 feasible points" in front.to_text()


def test_objectives_that_are_unknown_missing_or_named_twice_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean energy_j"):
        front_of(table(), (), ["energyj"], [])
    with pytest.raises(InputError, match="needs objectives"):
        front_of(table(), (), [], [])
    with pytest.raises(InputError, match="once"):
        front_of(table(), (), ["energy_j"], ["energy_j"])
    with pytest.raises(InputError, match="no feasible point"):
        front_of(table().assign(status="infeasible"), (), ["energy_j"], [])


def test_ten_thousand_points_take_less_than_two_seconds() -> None:
    import time

    costs = np.random.default_rng(0).random((10_000, 3))
    begin = time.process_time()
    kept = nondominated(costs)
    assert time.process_time() - begin < 2
    assert 20 < kept.sum() < 1000
