"""Zoo folders: exact round trips, same bytes, and every kind of damage refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgesim.compress.recipe import Recipe
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer, save_zoo_model, weight_format
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError
from tests.compress.toy_models import rounded, toy_model


@pytest.mark.parametrize("family", ["bert", "albert"])
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_a_model_comes_back_bit_for_bit(
    recipe: Recipe, zoo_inputs: dict[str, Path], family: str, pooling: str
) -> None:
    model = rounded(toy_model(family, pooling, num_labels=3))
    recipe = recipe.model_copy(update={"pooling": pooling})
    save_zoo_model(model, recipe, **zoo_inputs, thresholds_nats={"1": 0.3})
    loaded = load_zoo_model(zoo_inputs["folder"])
    first, second = model.state_dict(), loaded.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    ids = torch.arange(1, 9).reshape(1, -1)
    with torch.inference_mode():
        assert torch.equal(model(ids, torch.ones_like(ids)), loaded(ids, torch.ones_like(ids)))
    assert load_zoo_config(zoo_inputs["folder"]).thresholds_nats == {"1": 0.3}
    assert load_zoo_tokenizer(zoo_inputs["folder"]).encode("the film").ids[0] == 2


def test_saving_twice_gives_the_same_bytes(
    recipe: Recipe, zoo_inputs: dict[str, Path], tmp_path: Path
) -> None:
    again = tmp_path / "again"
    save_zoo_model(rounded(toy_model()), recipe, **zoo_inputs)
    save_zoo_model(
        rounded(toy_model()), recipe, again / "toy", again / "shared",
        tokenizer_path=zoo_inputs["tokenizer_path"],
    )  # fmt: skip
    root = zoo_inputs["folder"].parent
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert len(files) == 4
    assert all((root / f).read_bytes() == (again / f).read_bytes() for f in files)


def test_two_models_of_one_base_share_their_embeddings(
    recipe: Recipe, zoo_inputs: dict[str, Path]
) -> None:
    model = rounded(toy_model())
    save_zoo_model(model, recipe, **zoo_inputs)
    model.ramps[0].classifier.bias.data.zero_()
    other = zoo_inputs["folder"].parent / "other"
    save_zoo_model(
        model, recipe, other, zoo_inputs["shared_folder"],
        tokenizer_path=zoo_inputs["tokenizer_path"],
    )  # fmt: skip
    assert len(list(zoo_inputs["shared_folder"].iterdir())) == 1
    first, second = (load_zoo_config(folder) for folder in (zoo_inputs["folder"], other))
    assert first.embeddings == second.embeddings
    assert first.weights.sha256 != second.weights.sha256


def test_loading_leaves_the_random_generator_alone(
    recipe: Recipe, zoo_inputs: dict[str, Path]
) -> None:
    save_zoo_model(rounded(toy_model()), recipe, **zoo_inputs)
    before = torch.get_rng_state()
    load_zoo_model(zoo_inputs["folder"])
    assert torch.equal(before, torch.get_rng_state())


def test_unrounded_weights_are_refused_and_nothing_is_written(
    recipe: Recipe, zoo_inputs: dict[str, Path]
) -> None:
    with pytest.raises(InputError, match=r"not in adaptivfloat<8,3>: encoder\.embeddings"):
        save_zoo_model(toy_model(), recipe, **zoo_inputs)
    assert not zoo_inputs["folder"].exists()


def test_nan_weights_are_refused(recipe: Recipe, zoo_inputs: dict[str, Path]) -> None:
    model = rounded(toy_model())
    model.ramps[1].classifier.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"ramps\.1\.classifier\.weight holds NaN"):
        save_zoo_model(model, recipe, **zoo_inputs)


def test_settings_that_the_folder_cannot_hold_are_refused(
    recipe: Recipe, zoo_inputs: dict[str, Path]
) -> None:
    model = rounded(toy_model())
    for layer in model.encoder.encoder.layer:
        layer.intermediate.intermediate_act_fn = torch.nn.ReLU()
    with pytest.raises(InputError, match="gives other logits"):
        save_zoo_model(model, recipe, **zoo_inputs)


def test_a_recipe_without_rounding_is_refused(recipe: Recipe, zoo_inputs: dict[str, Path]) -> None:
    dense = recipe.model_copy(update={"stages": recipe.stages[:1]})
    with pytest.raises(InputError, match="does not quantise"):
        save_zoo_model(rounded(toy_model()), dense, **zoo_inputs)


def test_a_recipe_whose_tables_keep_float32_is_refused_before_it_trains(recipe: Recipe) -> None:
    bare = tuple(stage.model_copy(update={"embeddings": None}) for stage in recipe.stages)
    weight_format(recipe)
    with pytest.raises(InputError, match="no stage rounds the embeddings"):
        weight_format(recipe.model_copy(update={"stages": bare}))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink], ids=["flip", "cut", "delete"])
@pytest.mark.parametrize("part", ["weights", "embeddings", "config"])
def test_a_damaged_file_is_one_error_that_names_it(
    recipe: Recipe, zoo_inputs: dict[str, Path], part: str, damage: Callable[[Path], None]
) -> None:
    config = save_zoo_model(rounded(toy_model()), recipe, **zoo_inputs)
    path = {
        "weights": zoo_inputs["folder"] / config.weights.file,
        "embeddings": zoo_inputs["shared_folder"] / config.embeddings.file,
        "config": zoo_inputs["folder"] / "config.json",
    }[part]
    damage(path)
    with pytest.raises(InputError) as caught:
        load_zoo_model(zoo_inputs["folder"])
    assert str(path.parent) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_tokenizer_is_refused(recipe: Recipe, zoo_inputs: dict[str, Path]) -> None:
    save_zoo_model(rounded(toy_model()), recipe, **zoo_inputs)
    flip(zoo_inputs["folder"] / "tokenizer.json")
    with pytest.raises(InputError, match="truncated or changed"):
        load_zoo_tokenizer(zoo_inputs["folder"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", 2),
        ("thresholds_nats", {"1": float("nan")}),
        ("thresholds_nats", {"1": -0.1}),
        ("pooling", "max"),
        ("weights", {"file": "../../etc/passwd", "sha256": "0" * 64}),
        ("surprise", 1),
    ],
)
def test_a_wrong_setting_is_named(
    recipe: Recipe, zoo_inputs: dict[str, Path], key: str, value: object
) -> None:
    save_zoo_model(rounded(toy_model()), recipe, **zoo_inputs)
    path = zoo_inputs["folder"] / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=rf"config\.json: .*{key}"):
        load_zoo_model(zoo_inputs["folder"])


def test_weights_that_do_not_fit_the_settings_are_all_named(
    recipe: Recipe, zoo_inputs: dict[str, Path]
) -> None:
    save_zoo_model(rounded(toy_model()), recipe, **zoo_inputs)
    path = zoo_inputs["folder"] / "config.json"
    config = json.loads(path.read_text())
    config["encoder"]["num_hidden_layers"] = 4
    config["encoder"]["vocab_size"] = 61
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"ramps\.3\.classifier\.bias is missing") as caught:
        load_zoo_model(zoo_inputs["folder"])
    assert "has shape (60, 32), wanted (61, 32)" in str(caught.value)


def test_reading_settings_and_figures_needs_no_torch() -> None:
    program = (
        "import sys, edgesim.compress.zoo_config, edgesim.compress.card\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
