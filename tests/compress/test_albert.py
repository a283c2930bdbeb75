"""ALBERT students: what is shared, what they start from, and folders of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertModel

from edgesim.compress.albert import as_albert, layers
from edgesim.compress.build import base_model, load_stage, split_task, train_recipe
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe
from edgesim.compress.smoke import smoke_text, tiny_tokenizer, write_tiny_base
from edgesim.compress.steps import Albert
from edgesim.compress.zoo import load_zoo_model, save_zoo_model
from edgesim.errors import InputError
from edgesim.pipeline.lower import lower_model as lower
from tests.compress.toy_models import SIZES, rounded, toy_model, toy_recipe

IDS = torch.arange(4, 15).reshape(1, -1)


def student(**settings: Any) -> MultiExitClassifier:
    return as_albert(toy_model(), Albert(**{"embedding_size": 16, "applications": 6} | settings))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS, torch.ones_like(IDS))


@pytest.mark.parametrize("sharing", ["all", "ffn", "attention", "none"])
def test_shared_parts_are_counted_once(sharing: str) -> None:
    """Oracle: parameters of an attention (with its norm) and of a feed-forward, by hand."""
    hidden, inner = SIZES["hidden_size"], SIZES["intermediate_size"]
    attention = 4 * (hidden * hidden + hidden) + 2 * hidden
    feed_forward = 2 * hidden * inner + inner + hidden + 2 * hidden
    times = {"all": (1, 1), "ffn": (6, 1), "attention": (1, 6), "none": (6, 6)}[sharing]
    mapping = 16 * hidden + hidden
    model = student(sharing=sharing)
    assert len(model.ramps) == 6
    found = count(model.encoder.encoder)
    assert found == times[0] * attention + times[1] * feed_forward + mapping


def test_without_sharing_at_full_width_the_student_is_its_teacher() -> None:
    """Only the embedding differs, and at full width that is a rotation fitted to the original."""
    teacher = toy_model()
    model = student(sharing="none", applications=3, embedding_size=32)
    hidden = torch.randn(1, 11, 32)
    for mine, theirs in zip(layers(model.encoder), teacher.encoder.encoder.layer, strict=True):
        with torch.no_grad():
            first, second = mine(hidden), theirs(hidden)
        first = first[0] if isinstance(first, tuple) else first
        second = second[0] if isinstance(second, tuple) else second
        assert torch.allclose(first, second, atol=1e-6)


def test_the_factorised_embedding_is_close_and_closer_when_wider() -> None:
    teacher = toy_model()
    wanted = teacher.encoder.embeddings(IDS).detach()
    errors = []
    for width in (4, 16, 32):
        encoder = student(embedding_size=width).encoder
        found = encoder.encoder.embedding_hidden_mapping_in(encoder.embeddings(IDS)).detach()
        errors.append(float((found - wanted).pow(2).mean()))
    assert errors[0] > errors[1] > errors[2]


def test_the_shared_layer_takes_the_weights_of_the_named_one() -> None:
    teacher = toy_model()
    model = student(init_layer=2)
    mine = layers(model.encoder)[0].attention.query.weight
    assert torch.equal(mine, teacher.encoder.encoder.layer[1].attention.self.query.weight)
    with pytest.raises(InputError, match="init_layer 4; allowed 1 to 3"):
        student(init_layer=4)


@pytest.mark.parametrize("sharing", ["all", "ffn"])
def test_a_stored_student_is_read_back_and_lowered_with_shared_weights(
    sharing: str, tmp_path: Path
) -> None:
    content = toy_recipe()
    content["stages"][1] |= {"albert": None}
    content["stages"][0]["albert"] = {"sharing": sharing, "applications": 6, "embedding_size": 16}
    recipe = Recipe.model_validate(content)
    tokenizer = tmp_path / "tokenizer.json"
    tiny_tokenizer().save(str(tokenizer))
    model = rounded(student(sharing=sharing))
    save_zoo_model(
        model, recipe, tmp_path / "m" / "toy", tmp_path / "m" / "shared", tokenizer_path=tokenizer
    )
    stored = load_zoo_model(tmp_path / "m" / "toy")
    assert torch.allclose(logits(stored), logits(model), atol=1e-6)
    trace = lower(stored)
    assert trace.num_layers == 6
    names = {op.weight for layer in trace.layers for op in layer.ops if op.kind == "matmul"}
    assert len([n for n in names if n.endswith("ffn.weight")]) == 1
    assert len([n for n in names if n.endswith("query.weight")]) == (1 if sharing == "all" else 6)


def test_a_chain_turns_its_model_into_an_albert_and_resumes(tmp_path: Path) -> None:
    content = toy_recipe()
    content["stages"].insert(1, {
        "name": "student", "epochs": 1, "batch_size": 16, "learning_rate": 1e-3,
        "albert": {"applications": 6, "embedding_size": 16},
        "distil": {"teacher": "dense", "weight": 0.7, "temperature": 2.0, "hidden": 1.0},
    })  # fmt: skip
    recipe = Recipe.model_validate(content)
    write_tiny_base(tmp_path / "base", recipe.task.max_tokens)
    data = split_task(recipe, *smoke_text(0))
    model = train_recipe(recipe, data, tmp_path / "base", tmp_path / "work", max_steps=3)
    assert model.encoder.config.model_type == "albert"
    stored = load_stage(recipe, "compressed", tmp_path / "base", tmp_path / "work")
    assert torch.equal(logits(stored), logits(model))


def test_an_albert_folder_of_transformers_is_a_base(recipe: Recipe, tmp_path: Path) -> None:
    """A generated folder in the shape of albert-base-v2, small."""
    config = AlbertConfig(**SIZES, embedding_size=16)
    AlbertModel(config, add_pooling_layer=True).save_pretrained(tmp_path / "albert")
    tiny_tokenizer().save(str(tmp_path / "albert" / "tokenizer.json"))
    model = base_model(recipe, tmp_path / "albert")
    assert model.encoder.config.model_type == "albert"
    assert len(model.ramps) == 3
    data = split_task(recipe, *smoke_text(0))
    trained = train_recipe(recipe, data, tmp_path / "albert", tmp_path / "work", max_steps=2)
    assert count(trained) == count(model)


@pytest.mark.parametrize(("sharing", "part"), [("all", 1 / 12), ("ffn", 1)])
def test_one_layer_over_and_over_begins_with_a_part_of_its_update(
    sharing: str, part: float
) -> None:
    theirs = toy_model().encoder.encoder.layer[0]
    mine = layers(student(sharing=sharing, applications=12, init_layer=1).encoder)[0]
    assert torch.allclose(mine.ffn_output.weight, theirs.output.dense.weight * part)
    assert torch.allclose(mine.attention.dense.weight, theirs.attention.output.dense.weight * part)


def test_the_map_from_the_narrow_embedding_is_bounded() -> None:
    """Rows behind a layer norm are linearly dependent; plain least squares gives huge weights."""
    weight = student(embedding_size=16).encoder.encoder.embedding_hidden_mapping_in.weight
    assert float(weight.detach().abs().max()) < 10
