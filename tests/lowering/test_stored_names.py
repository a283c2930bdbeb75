"""Names with wrappers and pruning masks on disk give the weights that the module computes with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hugging_face_folders import assert_equal_weights, built, refusal, rename, store, stored
from lower_models import build
from test_lowered_values import assert_same_outputs
from torch import nn
from torch.nn.utils import parametrizations, prune
from transformers.utils import logging

from edgesim.lowering.hugging_face import load_hugging_face
from edgesim.pipeline.lower import lower_model as lower

BIN = "pytorch_model.bin"


@pytest.mark.parametrize("name", ["bert classifier", "albert", "distilbert classifier"])
@pytest.mark.parametrize(
    "change",
    [
        lambda n: f"_orig_mod.{n}", lambda n: f"module.{n}", lambda n: f"module._orig_mod.{n}",
        lambda n: n.replace(".attention.", "._orig_mod.attention."),
    ],
)  # fmt: skip
def test_prefixes_of_compiled_and_parallel_modules_are_taken_off(
    name: str, change: object, tmp_path: Path
) -> None:
    model, folder = built(name, tmp_path / "m")
    rename(folder, change)  # type: ignore[arg-type]
    loaded = load_hugging_face(folder)
    assert_equal_weights(loaded.module, model)
    assert loaded.notes == ()


def test_a_state_dict_of_a_wrapped_model_is_read(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    (folder / "model.safetensors").unlink()
    for wrapped in (torch.compile(model), nn.DataParallel(model),
                    torch.optim.swa_utils.AveragedModel(model)):  # fmt: skip
        torch.save(wrapped.state_dict(), folder / BIN)
        assert_equal_weights(load_hugging_face(folder).module, model)


def test_a_name_with_and_without_a_wrapper_is_refused(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    weights = stored(folder)
    store(folder, {**weights, "module.pooler.dense.bias": weights["pooler.dense.bias"]})
    assert "holds pooler.dense.bias twice" in refusal(folder)


def test_layer_norms_may_have_their_older_names(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    rename(
        folder, lambda n: n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")
    )
    assert_equal_weights(load_hugging_face(folder).module, model)


def pruned(name: str, path: str, parameter: str = "weight") -> nn.Module:
    """A model with half of one parameter masked."""
    model = build(name)
    prune.random_unstructured(model.get_submodule(path), parameter, amount=0.5)
    return model


@pytest.mark.parametrize("form", ["safetensors", "bin", "bin of a compiled module"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("bert classifier", "bert.encoder.layer.0.intermediate.dense"),
        ("albert", "encoder.albert_layer_groups.0.albert_layers.0.ffn"),
        ("distilbert classifier", "distilbert.transformer.layer.1.attention.q_lin"),
        ("bert", "embeddings.word_embeddings"),
    ],
)
def test_masks_of_prune_on_disk_are_multiplied_in(
    form: str, name: str, path: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    model = pruned(name, path)
    logging.disable_progress_bar()
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    if form != "safetensors":
        (tmp_path / "model.safetensors").unlink()
        wrapped = torch.compile(model) if "compiled" in form else model
        torch.save(wrapped.state_dict(), tmp_path / BIN)
    loaded = load_hugging_face(tmp_path)
    weight = loaded.module.get_parameter(f"{path}.weight")
    assert torch.equal(weight, model.get_submodule(path).weight)
    assert int((weight == 0).sum()) == round(weight.numel() / 2)
    assert loaded.notes == (
        f"1 pruning masks of torch.nn.utils.prune are multiplied into their weights, such as "
        f"{path}.weight",
    )
    trace = lower(loaded.module)
    assert_same_outputs(trace, model, (5,))
    tensor = trace.tensors[f"{path}.weight"]
    assert tensor.density == pytest.approx(0.5, abs=0.01)


def test_a_mask_of_a_bias_is_multiplied_in(tmp_path: Path) -> None:
    model = pruned("bert", "pooler.dense", "bias")
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    loaded = load_hugging_face(tmp_path).module
    assert torch.equal(loaded.get_parameter("pooler.dense.bias"), model.pooler.dense.bias)  # type: ignore[union-attr]


def test_masks_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    weights = stored(folder)
    name = "pooler.dense.weight"
    value = weights.pop(name)
    store(folder, {**weights, f"{name}_orig": value})
    assert f"{name}_orig belongs to a reparametrised weight" in refusal(folder)
    store(folder, {**weights, f"{name}_mask": value})
    assert f"{name}_mask" in refusal(folder)
    masked = {f"{name}_orig": value, f"{name}_mask": value[:3]}
    store(folder, {**weights, **masked})
    assert f"{name} has a pruning mask of another shape" in refusal(folder)
    store(folder, {**weights, name: value, f"{name}_orig": value, f"{name}_mask": value})
    assert "has a pruning mask and a value without it" in refusal(folder)


def test_other_reparametrisations_say_how_to_take_them_off(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    parametrizations.weight_norm(model.pooler.dense)  # type: ignore[union-attr,arg-type]
    model.save_pretrained(folder)  # type: ignore[operator]
    text = refusal(folder)
    assert "pooler.dense.parametrizations.weight.original" in text
    assert "remove_parametrizations(module, name)" in text
