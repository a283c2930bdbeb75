"""The exit rule: first layer strictly below the threshold, else the last."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgesim.errors import InputError
from edgesim.ir.exits import EntropyExit

entropies = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 7)),
    elements=st.one_of(st.floats(0, 1), st.just(math.inf)),
)


def test_a_sentence_leaves_at_the_first_layer_below_the_threshold() -> None:
    table = [[0.5, 0.2, 0.1], [0.1, 0.9, 0.9], [0.9, 0.9, 0.9], [math.inf, math.inf, 0.0]]
    assert EntropyExit(0.3).exit_layers(table).tolist() == [2, 1, 3, 3]


def test_the_test_is_strictly_below() -> None:
    """Tight gate: equal to the threshold stays, one step below leaves."""
    threshold = 0.28
    table = [[threshold, 0.0], [np.nextafter(threshold, 0), 0.0]]
    assert EntropyExit(threshold).exit_layers(table).tolist() == [2, 1]


def test_zero_never_leaves_early_and_infinity_leaves_at_once() -> None:
    table = [[0.0, 0.0, 0.0], [math.inf, 0.4, 0.1]]
    assert EntropyExit(0).exit_layers(table).tolist() == [3, 3]
    assert EntropyExit(math.inf).exit_layers(table).tolist() == [1, 2]


@given(entropies, st.floats(0, 1))
def test_the_exit_layers_agree_with_a_plain_loop(table: np.ndarray, threshold: float) -> None:
    for row, layer in zip(table, EntropyExit(threshold).exit_layers(table), strict=True):
        assert all(entropy >= threshold for entropy in row[: layer - 1])
        assert layer == len(row) or row[layer - 1] < threshold


@given(entropies, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_leaves_later(
    table: np.ndarray, first: float, second: float
) -> None:
    low, high = sorted((first, second))
    late, early = EntropyExit(low).exit_layers(table), EntropyExit(high).exit_layers(table)
    assert (early <= late).all()


@pytest.mark.parametrize("bad", [math.nan, -0.1, "0.3", None, True])
def test_an_impossible_threshold_is_refused(bad: object) -> None:
    with pytest.raises(InputError, match="exit threshold"):
        EntropyExit(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [math.nan, -1e-9])
def test_an_impossible_entropy_is_refused_by_place(bad: float) -> None:
    with pytest.raises(InputError, match="sentence 2 at layer 1"):
        EntropyExit(0.3).exit_layers([[0.1, 0.2], [bad, 0.2]])


@pytest.mark.parametrize("shape", [(3,), (2, 0), (2, 2, 2)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="num_sentences, num_layers"):
        EntropyExit(0.3).exit_layers(np.zeros(shape))
