"""Accuracy by share of zeros: what is pruned, that rows are independent, that methods train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edgesim.compress import short_runs
from edgesim.compress.altered_weights import WORD_TABLE, SentenceRuns, sentence_runs
from edgesim.compress.short_runs import steps_stage
from edgesim.compress.sparsity_curve import (
    PruningRun,
    embedding_rows,
    encoder_rows,
    unpruned_runs,
)
from edgesim.compress.steps import Prune
from edgesim.compress.training import StageRun, TrainingSet
from edgesim.ir.sparsity_study import SparsityRow, SparsityStudy
from edgesim.plot.sparsity import sparsity_data
from tests.compress.toy_models import toy_model

TOKENS = [np.array([2, word, word + 1, 3]) for word in range(4, 44)]
RUN = PruningRun(num_steps=4)
LABELS = np.array([word % 2 for word in range(4, 44)])


@pytest.fixture
def runs() -> SentenceRuns:
    model = toy_model()
    model.requires_grad_(True)
    return sentence_runs(model, TOKENS, LABELS)


def encoder(
    runs: SentenceRuns, methods: list[str], fractions: list[float], work: Path | None = None
) -> list[SparsityRow]:
    rows = TrainingSet(TOKENS, LABELS)
    return list(encoder_rows(runs.model, runs, rows, methods, fractions, RUN, work))


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


def test_what_a_work_folder_holds_is_not_trained_again(
    runs: SentenceRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = encoder(runs, ["magnitude", "movement"], [0.5], tmp_path)
    assert not list(tmp_path.glob("*.checkpoint.*"))
    monkeypatch.setattr(short_runs.StageRun, "run", lambda run: pytest.fail("trained again"))
    assert encoder(runs, ["movement"], [0.5], tmp_path) == rows[1:]
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        encoder(runs, ["movement"], [0.6], tmp_path)


def test_rows_from_the_base_are_compared_with_the_same_training_without_zeros(
    runs: SentenceRuns,
) -> None:
    rows = TrainingSet(TOKENS, LABELS)
    trained = unpruned_runs(runs.model, rows, RUN, runs)
    assert not np.array_equal(trained.logits, runs.logits)
    [row] = encoder_rows(runs.model, trained, rows, ["magnitude"], [0.0], RUN)
    assert (row.points, row.zero_fraction) == (0, 0)


def test_no_movement_mask_is_set_before_the_schedule_starts(tmp_path: Path) -> None:
    prune = Prune(method="movement", final_fraction=0.9, start=0.5, end=1)
    stage = steps_stage("movement", 8, 8, len(TOKENS), learning_rate=1e-3, prune=prune)
    model = toy_model()
    model.requires_grad_(True)
    run = StageRun(
        model, stage, TrainingSet(TOKENS, LABELS), seed=1, checkpoint=tmp_path / "c", max_steps=8
    )
    kept = []
    for batch in run.batches():
        run.update_components()
        kept.append(min(float(w.mask.float().mean()) for w in run.compressed.values()))
        run.train_step(batch)
    assert kept[:5] == [1.0] * 5
    assert kept[-1] < 0.6
    scores = [w.scores for w in run.compressed.values() if w.scores is not None]
    assert all(float(s.detach().abs().max()) > 0 for s in scores)


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
