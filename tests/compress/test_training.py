"""The training loop: resume bit for bit, masks and rounding on schedule, loss by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgesim.compress import training
from edgesim.compress.losses import exit_loss, layer_weights
from edgesim.compress.recipe import Recipe, Stage
from edgesim.compress.training import StageRun, TrainingSet, ramp_logits
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat
from tests.compress.toy_models import rounded, toy_model


def toy_rows(num: int = 96, teacher: bool = True) -> TrainingSet:
    rng = np.random.default_rng(0)
    tokens = [rng.integers(4, 60, size=rng.integers(3, 12)) for _ in range(num)]
    labels = np.array([int(ids[0] > 30) for ids in tokens])
    soft = rng.normal(size=(num, 2)).astype(np.float32) if teacher else None
    return TrainingSet(tokens, labels, soft)


def new_run(stage: Stage, checkpoint: Path, **changes: int) -> StageRun:
    return StageRun(toy_model(), stage, toy_rows(), seed=4, checkpoint=checkpoint, **changes)


class KilledError(Exception):
    """Stands for the end of the process in the middle of a stage."""


@pytest.mark.parametrize("stage_index", [0, 1], ids=["dense", "compressed"])
def test_a_killed_stage_resumes_to_the_same_bits(
    recipe: Recipe, stage_index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = recipe.stages[stage_index]
    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 4)
    whole = new_run(stage, tmp_path / "whole.safetensors")
    whole.run()

    broken = new_run(stage, tmp_path / "broken.safetensors")
    steps = 0
    real_step = StageRun.train_step

    def step_or_die(run: StageRun, batch):  # type: ignore[no-untyped-def]
        nonlocal steps
        if steps == 10:
            raise KilledError
        steps += 1
        return real_step(run, batch)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "train_step", step_or_die)
        with pytest.raises(KilledError):
            broken.run()
    torch.manual_seed(12345)  # another process has another generator state
    resumed = new_run(stage, tmp_path / "broken.safetensors")
    resumed.run()
    assert resumed.step == whole.step == 12
    first, second = whole.model.state_dict(), resumed.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_checkpoint_of_another_length_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    run = new_run(recipe.stages[0], path)
    for batch in run.batches():
        run.train_step(batch)
        if run.step == 2:
            break
    run.save()
    with pytest.raises(InputError, match="written by a run of 12 steps, this one has 5"):
        new_run(recipe.stages[0], path, max_steps=5).run()


def test_the_compressed_stage_ends_with_storable_weights(recipe: Recipe, tmp_path: Path) -> None:
    run = new_run(recipe.stages[1], tmp_path / "c.safetensors")
    run.run()
    number_format = AdaptivFloat(8, 3)
    for name, weight in run.model.named_parameters():
        values = weight.detach().numpy()
        assert np.array_equal(number_format.quantize(values), values), name
        if name.startswith("encoder.encoder") and values.ndim == 2:
            assert (values == 0).mean() >= 0.49, name
        if "embeddings.weight" in name:
            assert (values == 0).mean() == pytest.approx(0.6, abs=0.05), name


def test_frozen_embeddings_do_not_move_in_training(recipe: Recipe, tmp_path: Path) -> None:
    run = new_run(recipe.stages[1], tmp_path / "c.safetensors")
    before = {n: p.clone() for n, p in run.model.encoder.embeddings.named_parameters()}
    run.run()
    after = dict(run.model.encoder.embeddings.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_learning_rate_rises_and_falls_linearly(recipe: Recipe, tmp_path: Path) -> None:
    stage = recipe.stages[0].model_copy(update={"warmup": 0.25})
    run = new_run(stage, tmp_path / "c.safetensors")
    rates = []
    for step in range(run.num_steps):
        run.step = step
        rates.append(run.learning_rate(1.0))
    assert rates == pytest.approx([1 / 3, 2 / 3, 1, *(1 - i / 9 for i in range(9))])


def test_every_row_is_seen_once_an_epoch(recipe: Recipe, tmp_path: Path) -> None:
    run = new_run(recipe.stages[0], tmp_path / "c.safetensors")
    rows: list[int] = []
    for batch in run.batches():
        rows += batch.rows.tolist()
        run.step += 1
    assert sorted(rows) == sorted(2 * list(range(96)))
    assert rows[:96] != rows[96:]


def test_the_joint_loss_weighs_ramps_by_their_layer(recipe: Recipe) -> None:
    """Oracle: sum of l * CE_l over sum of l, with the soft loss scaled by T^2."""
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]]])
    labels = torch.tensor([1])
    hard = [np.log1p(np.exp(2.0)), np.log(2.0), np.log1p(np.exp(-1.0))]
    expected = (1 * hard[0] + 2 * hard[1] + 3 * hard[2]) / 6
    dense, compressed = recipe.stages
    assert float(exit_loss(logits, labels, None, dense.distil, layer_weights(3))) == pytest.approx(
        expected, rel=1e-6
    )

    teacher = torch.tensor([[0.5, 1.5]])
    heat, share = 2.0, 0.7
    p = np.exp([0.25, 0.75]) / np.exp([0.25, 0.75]).sum()
    mixed = 0.0
    for layer, row in enumerate(logits[:, 0].numpy(), start=1):
        log_q = row / heat - np.log(np.exp(row / heat).sum())
        soft = float((p * (np.log(p) - log_q)).sum())
        mixed += layer * (share * heat**2 * soft + (1 - share) * hard[layer - 1]) / 6
    assert float(
        exit_loss(logits, labels, teacher, compressed.distil, layer_weights(3))
    ) == pytest.approx(mixed, rel=1e-5)


def test_padding_does_not_change_the_logits() -> None:
    model = rounded(toy_model())
    tokens = toy_rows(20).tokens
    together = ramp_logits(model, tokens, batch_size=20)
    alone = ramp_logits(model, tokens, batch_size=1)
    assert np.allclose(together, alone, atol=1e-5)
