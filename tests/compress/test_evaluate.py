"""Evaluation functions against cases worked out by hand and published intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgesim.compress.assessment import read_predictions
from edgesim.compress.evaluate import (
    accuracy_by_ramp,
    choose_threshold,
    early_exit,
    entropy_nats,
    exit_answers,
    exit_table,
    matthews,
    matthews_by_ramp,
    threshold_grid,
)
from edgesim.errors import InputError


def logits_of(probability_of_one: list[list[float]]) -> np.ndarray:
    """Two-label logits with the given probabilities of label 1, (rows, ramps, 2)."""
    p = np.array(probability_of_one)
    return np.stack([np.log(1 - p), np.log(p)], axis=-1).astype(np.float32)


def test_entropy_is_that_of_the_softmax() -> None:
    got = entropy_nats(logits_of([[0.5, 0.9]]))
    expected = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert got[0] == pytest.approx([math.log(2), expected], abs=1e-6)


@given(npst.arrays(np.float32, (4, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_entropy_lies_between_zero_and_that_of_a_guess(logits: np.ndarray) -> None:
    entropy = entropy_nats(logits)
    assert (entropy >= 0).all()
    assert (entropy <= math.log(3) + 1e-12).all()
    assert entropy_nats(logits + np.float32(0)).tolist() == entropy.tolist()


def test_matthews_correlation_is_that_of_the_four_counts() -> None:
    """Oracle: TP 6, FP 1, FN 2, TN 3 gives (18 - 2) / sqrt(7 * 8 * 4 * 5)."""
    labels = np.array([1] * 8 + [0] * 4)
    answers = np.array([1] * 6 + [0] * 2 + [1] + [0] * 3)
    assert matthews(answers, labels) == pytest.approx(16 / math.sqrt(1120), abs=1e-12)
    assert matthews(answers, labels) == pytest.approx(np.corrcoef(answers, labels)[0, 1])
    assert matthews(np.ones(12, dtype=np.int64), labels) == 0
    assert matthews(1 - labels, labels) == -1


def test_matthews_correlation_goes_ramp_by_ramp_and_exits_answer_where_they_leave() -> None:
    logits = logits_of([[0.9, 0.6], [0.6, 0.1], [0.1, 0.2]])
    labels = np.array([1, 0, 0])
    assert matthews_by_ramp(logits, labels) == pytest.approx((0.5, 1.0))
    assert exit_answers(logits, 0.4).tolist() == [1, 0, 0]
    assert exit_answers(logits, 0.69).tolist() == [1, 1, 0]


def test_accuracy_is_counted_ramp_by_ramp() -> None:
    logits = logits_of([[0.9, 0.9, 0.9], [0.9, 0.2, 0.2], [0.9, 0.9, 0.3], [0.2, 0.8, 0.8]])
    ramps = accuracy_by_ramp(logits, np.array([1, 0, 0, 1]))
    assert [(ramp.correct, ramp.num) for ramp in ramps] == [(1, 4), (3, 4), (4, 4)]


def test_early_exit_by_hand() -> None:
    """Rows leave at ramps 1, 2, 3; the second one leaves with a wrong answer."""
    logits = logits_of([[0.99, 0.5, 0.1], [0.5, 0.99, 0.01], [0.5, 0.6, 0.7]])
    point = early_exit(logits, np.array([1, 0, 1]), 0.1)
    assert point.accuracy.correct == 2
    assert point.average_exit_layer == pytest.approx(2.0)


def test_threshold_zero_is_full_depth() -> None:
    logits = logits_of([[0.99, 0.01], [0.99, 0.99]])
    (point,) = exit_table(logits, np.array([0, 1]), [0.0])
    assert point.accuracy.correct == 2
    assert point.average_exit_layer == 2


def test_the_grid_runs_from_zero_to_the_entropy_of_a_guess() -> None:
    grid = threshold_grid(2)
    assert grid[0] == 0
    assert grid[-1] == 0.69
    assert np.diff(grid) == pytest.approx(0.01)


def test_the_chosen_threshold_spends_the_allowed_loss_and_no_more() -> None:
    """Of 100 rows, full depth gets all; ramp 1 is wrong on 1 row at H = .2 and 3 more at H = .4."""
    early = [0.99] * 96 + [0.04] + [0.13] * 3  # entropies .056, .168, .386
    logits = logits_of([[p, 0.999] for p in early])
    labels = np.ones(100, dtype=np.int64)
    one_lost = 100 * (0.01 + math.sqrt(1 - 0.01) / 100)  # the loss and one standard error
    four_lost = 100 * (0.04 + math.sqrt(4 - 0.16) / 100)
    for points, correct, threshold in (
        (0, 100, 0.06), (one_lost - 0.01, 100, 0.06), (one_lost, 99, 0.17),
        (four_lost - 0.01, 99, 0.17), (four_lost, 96, 0.39),
    ):  # fmt: skip
        chosen = choose_threshold(logits, labels, points)
        assert (chosen.accuracy.correct, chosen.threshold) == (correct, threshold)


@given(st.integers(0, 50), st.floats(0, 10))
def test_a_chosen_threshold_never_loses_more_than_allowed(seed: int, points: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(30, 4, 2)).astype(np.float32)
    labels = rng.integers(0, 2, size=30)
    full = accuracy_by_ramp(logits, labels)[-1].value
    assert choose_threshold(logits, labels, points).accuracy.value >= full - points / 100 - 1e-6


def test_mismatched_rows_are_refused() -> None:
    with pytest.raises(InputError, match="do not belong to 3 labels"):
        accuracy_by_ramp(np.zeros((2, 3, 2), dtype=np.float32), np.zeros(3, dtype=np.int64))


def test_stored_answers_are_labels_or_one_error() -> None:
    assert read_predictions({}) is None
    answers = read_predictions({"dense_dev_predictions": "1 0 1"})
    assert answers is not None
    assert answers.tolist() == [1, 0, 1]
    for wrong in ("1 ² 0", "1  0", "-1", "9" * 40, 3.5):
        with pytest.raises(InputError, match="dense_dev_predictions holds other than labels"):
            read_predictions({"dense_dev_predictions": wrong})
