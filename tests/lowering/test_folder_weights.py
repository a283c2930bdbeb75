"""Every tensor of the weight files goes into the module, is named in a note, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hugging_face_folders import (
    assert_equal_weights,
    built,
    refusal,
    rename,
    saved,
    state,
    store,
    stored,
)
from lower_models import albert, bert, randomised
from torch import Tensor
from transformers import (
    AlbertForPreTraining,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
)

from edgesim.lowering.hugging_face import load_hugging_face

NORM = "embeddings.LayerNorm.weight"


def test_weights_of_an_encoder_may_have_the_prefix_of_a_head_or_lack_it(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    rename(folder, lambda name: f"bert.{name}")
    assert_equal_weights(load_hugging_face(folder).module, model)
    model, folder = built("bert classifier", tmp_path / "c")
    rename(folder, lambda name: name.removeprefix("bert."))
    assert_equal_weights(load_hugging_face(folder).module, model)
    store(folder, {**stored(folder), f"bert.{NORM}": torch.ones(24)})
    assert "without a place" in refusal(folder)


def test_a_name_with_and_without_the_prefix_is_refused(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    store(folder, {**stored(folder), f"bert.{NORM}": torch.ones(24)})
    assert f"holds {NORM} with and without 'bert.'" in refusal(folder)


def test_constants_that_older_versions_stored_are_accepted_with_their_values_alone(
    tmp_path: Path,
) -> None:
    model, folder = built("bert", tmp_path / "m")
    weights = stored(folder)
    constants = {
        "embeddings.position_ids": torch.arange(48)[None],
        "embeddings.token_type_ids": torch.zeros(1, 48, dtype=torch.int64),
    }
    store(folder, {**weights, **constants})
    loaded = load_hugging_face(folder)
    assert loaded.notes == ()
    assert_equal_weights(loaded.module, model)
    for name, tensor in constants.items():
        store(folder, {**weights, name: tensor + 1})
        assert name in refusal(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("encoder.layer.0.attention.self.distance_embedding.weight", "relative positions"),
        ("encoder.layer.0.adapter.down.weight", "1 weight without a place in BertModel"),
        ("encoder.layer.2.output.dense.weight", "num_hidden_layers 2: correct it"),
        ("fit_dense.weight", "or save the model without them"),
        ("classifier.weight", "state the class that holds them as architectures"),
        ("pooler.dense.weight_mask", "1 weight without a place in BertModel"),
        ("qa_outputs.weight", "state the class that holds them as architectures"),
    ],
)
def test_a_weight_without_a_place_is_refused_by_name(name: str, words: str, tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    store(folder, {**stored(folder), name: torch.zeros(2, 2)})
    text = refusal(folder)
    assert name in text
    assert words in text


def test_heads_of_pretraining_that_the_stated_class_lacks_are_noted(tmp_path: Path) -> None:
    model = randomised(BertForPreTraining(bert()))
    folder = saved(model, tmp_path / "m")
    state(folder, architectures=["BertForMaskedLM"])
    loaded = load_hugging_face(folder)
    assert isinstance(loaded.module, BertForMaskedLM)
    assert loaded.notes == (
        "the pooler is left out: BertForMaskedLM has no bert.pooler.dense.bias, "
        "bert.pooler.dense.weight",
        "the next-sentence head is left out: BertForMaskedLM has no cls.seq_relationship.bias, "
        "cls.seq_relationship.weight",
    )
    state(folder, architectures=["BertModel"])
    loaded = load_hugging_face(folder)
    assert_equal_weights(loaded.module, model.bert)
    assert any("language-model head is left out" in note for note in loaded.notes)
    state(folder, architectures=None)
    assert "cls.predictions" in refusal(folder)


def test_an_albert_keeps_its_own_pretraining_heads_apart(tmp_path: Path) -> None:
    folder = saved(randomised(AlbertForPreTraining(albert())), tmp_path / "m")
    state(folder, architectures=["AlbertModel"])
    heads = [note.partition(" is left out")[0] for note in load_hugging_face(folder).notes]
    assert sorted(heads) == ["the language-model head", "the sentence-order head"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: {k: v for k, v in w.items() if k != NORM}, f"missing ({NORM})"),
        (lambda w: {**w, NORM: w[NORM][:3]}, f"{NORM} is 3 in the file and 24 by config.json"),
        (lambda w: {**w, NORM: w[NORM].to(torch.int8)}, f"{NORM} is stored as int8; quantised"),
        (lambda w: {**w, NORM: w[NORM].to(torch.float8_e4m3fn)}, "stored as float8_e4m3fn"),
        (lambda w: {}, "missing"),
    ],
)
def test_missing_and_ill_shaped_weights_are_named(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], words: str, tmp_path: Path
) -> None:
    _, folder = built("bert", tmp_path / "m")
    store(folder, change(stored(folder)))
    assert words in refusal(folder)


def test_a_classifier_without_its_head_in_the_file_is_refused(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    state(folder, architectures=[BertForSequenceClassification.__name__])
    assert "2 weights of BertForSequenceClassification missing (classifier" in refusal(folder)


def test_a_shared_weight_may_be_stored_twice_if_it_is_the_same(tmp_path: Path) -> None:
    model = randomised(BertForMaskedLM(bert()))
    folder = saved(model, tmp_path / "m")
    table = stored(folder)["bert.embeddings.word_embeddings.weight"].clone()  # no view of the file
    head = "cls.predictions.decoder.weight"
    store(folder, {**stored(folder), head: table.clone()})
    assert_equal_weights(load_hugging_face(folder).module, model)
    store(folder, {**stored(folder), head: table + 1})
    text = refusal(folder)
    assert head in text
    assert '"tie_word_embeddings": false' in text
    state(folder, tie_word_embeddings=False)
    assert "missing (cls.predictions.decoder.bias)" in refusal(folder)
    bias = stored(folder)["cls.predictions.bias"].clone()
    store(folder, {**stored(folder), "cls.predictions.decoder.bias": bias})
    loaded = load_hugging_face(folder).module
    assert torch.equal(loaded.cls.predictions.decoder.weight, table + 1)


def test_an_encoder_with_a_pooler_keeps_it(tmp_path: Path) -> None:
    model = randomised(BertModel(bert()))
    loaded = load_hugging_face(saved(model, tmp_path / "m"))
    assert_equal_weights(loaded.module, model)
