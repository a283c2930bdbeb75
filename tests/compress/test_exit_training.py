"""Joint and two-stage off-ramps: what each trains, and that both share the encoder's budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgesim.compress.exit_training import (
    ExitTraining,
    MeasuredText,
    variants_from,
    variants_of_trained,
    with_fresh_ramps,
)
from edgesim.compress.training import TrainingSet, ramp_logits
from edgesim.ir.exit_study import ExitStudy
from edgesim.report.exit_training import exit_study_text
from tests.compress.toy_models import toy_model

TOKENS = [np.array([2, word, word + 1, 3]) for word in range(4, 44)]
LABELS = np.array([word % 2 for word in range(4, 44)])
TEXT = MeasuredText(TOKENS[:20], LABELS[:20], TOKENS, LABELS)
ROWS = TrainingSet(TOKENS, LABELS)
BUDGET = ExitTraining(num_steps=12, num_ramp_steps=8, batch_size=8, learning_rate=1e-3)


def test_fresh_ramps_leave_encoder_and_last_ramp() -> None:
    model = toy_model()
    fresh = with_fresh_ramps(model, 3)
    before, after = model.state_dict(), fresh.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[1] for name in changed} == {"0", "1"}


def test_each_way_is_measured_at_every_layer_and_allowed_loss() -> None:
    variants = list(variants_from(toy_model(), ROWS, TEXT, BUDGET, None))
    assert [v.name for v in variants] == ["joint", "two-stage"]
    for variant in variants:
        assert len(variant.correct_by_layer) == 3
        assert [p.allowed_loss_points for p in variant.points] == [1, 2, 5]
        exits = [p.average_exit_layer for p in variant.points]
        assert exits == sorted(exits, reverse=True)
    text = exit_study_text(ExitStudy("toy", (), "toy dev", 40, 20, tuple(variants)))
    assert text.count("two-stage") == 4


def test_ramps_trained_anew_leave_the_full_depth_as_the_stage_had_it() -> None:
    model = toy_model()
    right = (ramp_logits(model, TOKENS)[:, -1].argmax(-1) == LABELS).sum()
    stage, anew = variants_of_trained(model, ROWS, TEXT, BUDGET, None)
    assert stage.correct_by_layer[-1] == anew.correct_by_layer[-1] == right
    assert stage.correct_by_layer[:-1] != anew.correct_by_layer[:-1]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_study(seed: int) -> None:
    budget = ExitTraining(num_steps=4, num_ramp_steps=4, batch_size=8, seed=seed)
    first, second = (list(variants_from(toy_model(), ROWS, TEXT, budget, None)) for _ in range(2))
    assert first == second
