"""The steps of a stage at work: they compose, resume to the same bits, and leave plain modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from edgesim.compress import checkpoint, training
from edgesim.compress.attention_span import HardSpan, spans
from edgesim.compress.components import PruneComponent
from edgesim.compress.losses import hidden_loss, matched_layers
from edgesim.compress.progress import Progress
from edgesim.compress.recipe import Stage
from edgesim.compress.rounding import attach_rounding, detach_rounding
from edgesim.compress.training import StageRun
from edgesim.compress.weights import CompressedWeight
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat
from tests.compress.test_training import KilledError, toy_rows
from tests.compress.toy_models import toy_model

SPAN = {"ramp": 4, "max_span": 12, "initial": 8, "penalty": 0.01, "learning_rate": 0.5,
        "heads_off": 0.5, "harden": 0.5}  # fmt: skip
MOVEMENT = {"method": "movement", "final_fraction": 0.5, "start": 0.1, "end": 0.6}
SOFT = {"method": "soft_movement", "start": 0.0, "end": 0.3, "penalty": 20.0,
        "threshold": 0.45, "score_learning_rate": 0.1}  # fmt: skip
ROUND = {"weights": "adaptivfloat<8,3>", "activations": "adaptivfloat<8,3>", "start": 0.4}
STEPS: dict[str, dict[str, Any]] = {
    "span": {"span": SPAN},
    "movement": {"prune": MOVEMENT},
    "soft movement": {"prune": SOFT},
    "rounding": {"quantise": ROUND},
    "two-stage": {"exits": {"mode": "two-stage", "ramp_start": 0.5}},
    "hidden": {"distil": {"teacher": "t", "weight": 0.5, "temperature": 2, "hidden": 1.0}},
    "all": {
        "span": SPAN, "prune": MOVEMENT, "quantise": ROUND,
        "distil": {"teacher": "t", "weight": 0.5, "temperature": 2},
    },
}  # fmt: skip


def stage_of(**steps: Any) -> Stage:
    settings = {"name": "s", "epochs": 2, "batch_size": 16, "learning_rate": 1e-3}
    return Stage.model_validate(settings | steps)


def new_run(stage: Stage, path: Path, recipe: str = "r") -> StageRun:
    rows = toy_rows()
    if stage.distil is not None and stage.distil.hidden:
        rows = training.TrainingSet(rows.tokens, rows.labels, rows.teacher_logits, toy_model())
    return StageRun(toy_model(), stage, rows, seed=4, checkpoint=path, recipe_sha256=recipe)


@pytest.mark.parametrize("name", STEPS)
def test_a_stage_of_any_steps_resumes_to_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(**STEPS[name])
    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 4)
    whole = new_run(stage, tmp_path / "whole.safetensors")
    whole.run()
    broken = new_run(stage, tmp_path / "broken.safetensors")
    real_step = StageRun.train_step

    def step_or_die(run: StageRun, batch):  # type: ignore[no-untyped-def]
        if run.step == 10:
            raise KilledError
        return real_step(run, batch)

    with monkeypatch.context() as patch:
        patch.setattr(StageRun, "train_step", step_or_die)
        with pytest.raises(KilledError):
            broken.run()
    torch.manual_seed(12345)  # another process has another generator state
    resumed = new_run(stage, tmp_path / "broken.safetensors")
    resumed.run()
    first, second = whole.model.state_dict(), resumed.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    lines = (tmp_path / "s.progress.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "step", "loss", "accuracy", "zero_fraction", "mean_span", "heads_off",
    ]  # fmt: skip
    assert lines[-1].startswith("12\t")


def test_all_steps_together_leave_what_the_chip_holds(tmp_path: Path) -> None:
    run = new_run(stage_of(**STEPS["all"]), tmp_path / "c.safetensors")
    run.run()
    held = spans(run.model)
    assert all(isinstance(span, HardSpan) for span in held)
    assert sum(int((span.tokens == 0).sum()) for span in held) == 3
    assert not [name for name, _ in run.model.named_modules() if "parametriz" in name]
    assert not any(module._forward_pre_hooks for module in run.model.modules())
    for name, weight in run.model.named_parameters():
        if not name.startswith("encoder.embeddings"):
            values = weight.detach().numpy()
            assert np.array_equal(AdaptivFloat(8, 3).quantize(values), values), name
    assert 0.49 <= run.figures()["zero_fraction"] <= 0.55 or run.compressed


def test_movement_keeps_the_largest_scores_however_small_the_weights(tmp_path: Path) -> None:
    run = new_run(stage_of(prune=MOVEMENT), tmp_path / "c.safetensors")
    component = next(c for c in run.components if isinstance(c, PruneComponent))
    name, weight = next(iter(component.weights.items()))
    assert weight.scores is not None
    weight.scores.data = torch.arange(weight.scores.numel(), dtype=torch.float32).reshape(
        weight.scores.shape
    )
    component.before_step(run.num_steps)
    component.set_masks()
    kept = weight.mask.reshape(-1)
    half = kept.numel() // 2
    assert not kept[:half].any(), name
    assert kept[half:].all()


def test_the_score_s_gradient_is_that_of_the_mask_times_the_weight() -> None:
    """Oracle: dL/dS = dL/dW' * W, also where the mask is zero; dL/dW only where it is one."""
    weight = torch.tensor([[3.0, -0.5, 2.0]], requires_grad=True)
    compressed = CompressedWeight(weight, with_scores=True)
    compressed.mask.copy_(torch.tensor([[True, False, True]]))
    (compressed(weight) * torch.tensor([[1.0, 10.0, 100.0]])).sum().backward()
    assert weight.grad is not None
    assert compressed.scores is not None
    assert weight.grad.tolist() == [[1.0, 0.0, 100.0]]
    assert compressed.scores.grad.tolist() == [[3.0, -5.0, 200.0]]


def test_soft_movement_prunes_by_its_penalty(tmp_path: Path) -> None:
    strong = new_run(stage_of(prune=SOFT), tmp_path / "a.safetensors")
    weak = new_run(stage_of(prune=SOFT | {"penalty": 0.0}), tmp_path / "b.safetensors")
    zeros = []
    for run in (strong, weak):
        for batch in run.batches():
            run.update_components()
            run.train_step(batch)
        run.update_components()
        next(c for c in run.components if isinstance(c, PruneComponent)).set_masks()
        zeros.append(run.figures()["zero_fraction"])
    assert zeros[0] > zeros[1] + 0.1


def test_zeros_of_an_earlier_stage_stay_zero(tmp_path: Path) -> None:
    model = toy_model()
    weight = model.encoder.encoder.layer[0].output.dense.weight
    weight.data[:, ::2] = 0
    run = StageRun(model, stage_of(), toy_rows(), seed=4, checkpoint=tmp_path / "c.safetensors")
    run.run()
    after = model.encoder.encoder.layer[0].output.dense.weight
    assert not after[:, ::2].any()
    assert (after[:, 1::2] != 0).all()


def test_two_stage_exits_train_the_last_ramp_first_and_then_only_the_others(
    tmp_path: Path,
) -> None:
    run = new_run(stage_of(exits={"mode": "two-stage", "ramp_start": 0.5}), tmp_path / "c")
    first = {name: p.clone() for name, p in run.model.named_parameters()}
    states = []
    for batch in run.batches():
        run.update_components()
        if run.step in (0, 6):
            states.append({name: p.clone() for name, p in run.model.named_parameters()})
        run.train_step(batch)
    end = dict(run.model.named_parameters())
    changed = [
        {n for n in first if not torch.equal(a[n], b[n])}
        for a, b in ((states[0], states[1]), (states[1], end))
    ]
    assert "ramps.2.classifier.weight" in changed[0]
    assert not {n for n in changed[0] if n.startswith(("ramps.0", "ramps.1"))}
    assert {n for n in changed[0] if n.startswith("encoder.encoder")}
    assert {n.split(".")[1] for n in changed[1]} == {"0", "1"}


def test_ramps_on_an_encoder_that_stays_as_it_is_take_their_own_learning_rate(
    tmp_path: Path,
) -> None:
    exits = {"mode": "two-stage", "ramp_start": 0, "ramp_learning_rate": 0.25}
    run = new_run(stage_of(exits=exits), tmp_path / "c")
    first = {name: p.clone() for name, p in run.model.named_parameters()}
    for batch in run.batches():
        run.update_components()
        run.train_step(batch)
        if run.step == 1:
            break
    changed = {
        name: float((p - first[name]).detach().abs().max())
        for name, p in run.model.named_parameters()
        if not torch.equal(p, first[name])
    }
    assert {name.split(".")[1] for name in changed} == {"0", "1"}
    assert max(changed.values()) == pytest.approx(run.learning_rate(0.25), rel=0.05)


def test_rounded_operands_are_values_of_the_format_and_leave_no_trace() -> None:
    model = toy_model()
    ids = torch.arange(4, 15).reshape(1, -1)
    with torch.no_grad():
        before = model(ids, torch.ones_like(ids))
        rounding = attach_rounding(model, AdaptivFloat(4, 2))
        for operand in rounding:
            operand.mode = "observe"
        observed = model(ids, torch.ones_like(ids))
        for operand in rounding:
            operand.mode = "round"
        rounded = model(ids, torch.ones_like(ids))
        seen: list[torch.Tensor] = []
        classifier = model.ramps[-1].classifier
        classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        model(ids, torch.ones_like(ids))
        classifier._forward_pre_hooks.popitem()
        detach_rounding(model)
        after = model(ids, torch.ones_like(ids))
    assert torch.equal(before, observed)
    assert not torch.allclose(before, rounded, atol=1e-4)
    assert torch.equal(before, after)
    bias = AdaptivFloat(4, 2).bias_for(seen[0].numpy())
    levels = {abs(v) for v in AdaptivFloat(4, 2).code_table(bias).tolist()}
    assert {abs(v) for v in seen[0].flatten().tolist()} <= levels


def test_post_training_rounding_happens_once_at_the_end(tmp_path: Path) -> None:
    formats = {"weights": "int8", "mode": "post_training"}
    run = new_run(stage_of(quantise=formats), tmp_path / "c")
    run.run()
    plain = new_run(stage_of(), tmp_path / "d")
    plain.run()
    rounded = plain.stage.model_copy(update={"quantise": run.stage.quantise}).quantise
    assert rounded is not None
    for (name, found), wanted in zip(
        run.model.named_parameters(), plain.model.parameters(), strict=True
    ):
        expected = rounded.weight_format.quantize(wanted.detach().numpy())
        assert np.array_equal(found.detach().numpy(), expected), name


def test_hidden_states_are_compared_over_real_tokens_of_matched_layers() -> None:
    assert matched_layers(12, 6) == [(1, 0), (3, 1), (5, 2), (7, 3), (9, 4), (11, 5)]
    assert matched_layers(3, 4) == [(0, 0), (1, 1), (2, 3)]
    mine = (torch.ones(1, 3, 4), torch.zeros(1, 3, 4))
    theirs = (torch.zeros(1, 3, 4), torch.zeros(1, 3, 4))
    mine[0][0, 2] = 100.0  # padding
    assert float(hidden_loss(mine, theirs, torch.tensor([[1, 1, 0]]))) == pytest.approx(0.5)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    new_run(stage_of(), path, recipe="a" * 64).save()
    with pytest.raises(InputError, match="written by another recipe"):
        new_run(stage_of(), path, recipe="b" * 64).run()


def test_a_full_disk_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.safetensors"
    run = new_run(stage_of(), path)
    run.save()
    before = path.read_bytes()
    run.step = 3

    def full(tensors: object, target: Path, metadata: object) -> None:
        target.write_bytes(b"half")
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(InputError, match=r"No space left.*the previous file is kept") as caught:
        run.save()
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_resumed_table_keeps_its_lines_and_a_damaged_one_is_named_by_line(tmp_path: Path) -> None:
    table = tmp_path / "s.progress.tsv"
    table.write_bytes(b"step\tloss\r\n20\t0.5\r\n40\t0.4\r\n60\t0.3\r\n")
    Progress(table, "s", 100, step=40).close()
    assert [line.split("\t")[0] for line in table.read_text().splitlines()] == ["step", "20", "40"]
    table.write_text("step\tloss\n\n²\t0.5\n")
    with pytest.raises(InputError, match=r"s\.progress\.tsv:3: does not begin with a step"):
        Progress(table, "s", 100, step=40)
