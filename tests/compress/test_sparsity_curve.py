"""Accuracy by share of zeros: what is pruned, that rows are independent, that methods train."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edgesim.compress.altered_weights import WORD_TABLE, SentenceRuns, sentence_runs
from edgesim.compress.sparsity_curve import embedding_rows, encoder_rows
from edgesim.compress.training import TrainingSet
from edgesim.ir.sparsity_study import SparsityRow, SparsityStudy
from edgesim.plot.sparsity import sparsity_data
from tests.compress.toy_models import toy_model

TOKENS = [np.array([2, word, word + 1, 3]) for word in range(4, 44)]
LABELS = np.array([word % 2 for word in range(4, 44)])


@pytest.fixture
def runs() -> SentenceRuns:
    model = toy_model()
    model.requires_grad_(True)
    return sentence_runs(model, TOKENS, LABELS)


def encoder(runs: SentenceRuns, methods: list[str], fractions: list[float]) -> list[SparsityRow]:
    rows = TrainingSet(TOKENS, LABELS)
    return list(encoder_rows(runs, rows, methods, fractions, num_steps=4, seed=1))


def test_the_word_table_reaches_the_share_asked_and_stays_as_it_was(runs: SentenceRuns) -> None:
    before = runs.weights()[WORD_TABLE].copy()
    rows = list(embedding_rows(runs, [0.0, 0.5, 0.95]))
    assert [row.zero_fraction for row in rows] == pytest.approx([0.0, 0.5, 0.95], abs=0.02)
    assert rows[0].points == 0
    assert np.array_equal(runs.weights()[WORD_TABLE], before)


def test_both_methods_reach_the_share_asked(runs: SentenceRuns) -> None:
    rows = encoder(runs, ["magnitude", "movement"], [0.5, 0.9])
    asked = [(row.method, row.asked_fraction) for row in rows]
    assert asked == [(m, f) for m in ("magnitude", "movement") for f in (0.5, 0.9)]
    for row in rows:
        assert row.zero_fraction == pytest.approx(row.asked_fraction, abs=0.05)


def test_a_row_does_not_depend_on_those_before_it(runs: SentenceRuns) -> None:
    both = encoder(runs, ["magnitude"], [0.9, 0.5])
    assert encoder(runs, ["magnitude"], [0.5]) == both[1:]


def test_the_picture_shows_accuracies_with_their_intervals() -> None:
    row = SparsityRow("encoder", "movement", 9, 0.5, 0.49, 80, -10.0, -15.0, -5.0)
    study = SparsityStudy("toy", "0", (), "toy dev", 100, 90, (row,))
    wanted = pd.DataFrame(
        {
            "part": ["encoder"], "method": ["movement"], "zeros_percent": [49.0],
            "accuracy_percent": [80.0], "low_percent": [75.0], "high_percent": [85.0],
        }
    )  # fmt: skip
    pd.testing.assert_frame_equal(sparsity_data(study), wanted)
