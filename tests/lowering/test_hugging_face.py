"""Local Hugging Face folders: the stored model and no other, without network or code of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hugging_face_folders import built, refusal, saved, state
from lower_models import albert, bert, distilbert, outputs, randomised, sentence
from test_lowered_values import assert_same_outputs
from torch import nn
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    AlbertModel,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForTokenClassification,
    DistilBertForMaskedLM,
    DistilBertForTokenClassification,
    GPT2Config,
    GPT2Model,
    RobertaConfig,
    RobertaModel,
)

from edgesim.lowering.hugging_face import load_hugging_face
from edgesim.pipeline.lower import lower_model as lower

NAMES = ("bert", "bert without pooler", "bert classifier", "albert", "albert classifier",
         "distilbert", "distilbert classifier")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_gives_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    model, folder = built(name, tmp_path / "m")
    loaded = load_hugging_face(folder)
    assert not loaded.module.training
    assert type(loaded.module) is type(model)
    ids = sentence(6)
    for found, expected in zip(outputs(loaded.module, ids), outputs(model, ids), strict=True):
        torch.testing.assert_close(found, expected)
    no_pooler = "BertModel is built without its pooler, which has no weights"
    assert loaded.notes == ((no_pooler,) if name == "bert without pooler" else ())


@pytest.mark.parametrize(
    "model",
    [BertForMaskedLM(bert()), AlbertForMaskedLM(albert()), DistilBertForMaskedLM(distilbert())],
)
def test_of_a_masked_language_model_the_head_is_lowered_too(
    model: nn.Module, tmp_path: Path
) -> None:
    loaded = load_hugging_face(saved(randomised(model), tmp_path / "m"))
    assert type(loaded.module) is type(model)
    assert loaded.notes == ()
    trace = lower(loaded.module)
    assert trace.macs(7) == lower(model).macs(7)
    assert_same_outputs(trace, model, (5,))


def test_an_untied_language_model_head_has_its_own_matrix(tmp_path: Path) -> None:
    model = randomised(BertForMaskedLM(bert(tie_word_embeddings=False)))
    loaded = load_hugging_face(saved(model, tmp_path / "m")).module
    assert_same_outputs(lower(loaded), model, (5,))


def test_albert_base_lowers_and_shares_its_layer(tmp_path: Path) -> None:
    config = AlbertConfig(
        vocab_size=30000, embedding_size=128, hidden_size=768, num_hidden_layers=12,
        num_hidden_groups=1, num_attention_heads=12, intermediate_size=3072,
    )  # fmt: skip
    folder = saved(AlbertModel(config, add_pooling_layer=False), tmp_path / "albert-base-v2")
    trace = lower(load_hugging_face(folder).module, prove=False)
    assert trace.num_layers == 12
    weights = {op.weight for layer in trace.layers for op in layer.ops if op.kind == "matmul"}
    assert len(weights) == 6
    s, d, f = 128, 768, 3072
    layer = 4 * s * d * d + 2 * s * s * d + 2 * s * d * f
    assert trace.macs(s) == 12 * layer + s * 128 * d


def test_a_trace_of_a_folder_executes_as_its_model(tmp_path: Path) -> None:
    model, folder = built("distilbert classifier", tmp_path / "m")
    assert_same_outputs(lower(load_hugging_face(folder).module), model, (3,))


GPT2 = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=20, n_positions=8)
ROBERTA = RobertaConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (GPT2Model(GPT2), "'GPT2Model' of type 'gpt2'"),
        (RobertaModel(ROBERTA), "'RobertaModel' of type 'roberta'"),
    ],
)
def test_another_type_is_named_with_what_is_read(
    model: nn.Module, words: str, tmp_path: Path
) -> None:
    text = refusal(saved(model, tmp_path / "m"))
    assert words in text
    assert "albert, bert, distilbert" in text
    assert "es.lower" in text


@pytest.mark.parametrize(
    "model",
    [
        BertForPreTraining(bert()), BertForTokenClassification(bert()),
        BertForQuestionAnswering(bert()), DistilBertForTokenClassification(distilbert()),
    ],
)  # fmt: skip
def test_another_head_is_named_with_a_way_to_lower_its_encoder(
    model: nn.Module, tmp_path: Path
) -> None:
    folder = saved(randomised(model), tmp_path / "m")
    text = refusal(folder)
    name = type(model).__name__
    assert f"architecture '{name}'" in text
    encoder: str = f"{name.partition('For')[0]}Model"
    assert f"transformers.{encoder}.from_pretrained" in text
    import transformers

    whole = getattr(transformers, encoder).from_pretrained(folder)
    assert type(load_hugging_face(saved(whole, tmp_path / "e")).module).__name__ == encoder


@pytest.mark.parametrize(
    "listed", [["BertForX"], ["MeanPoolBertForSequenceClassification"], ["BertLMHeadModel"], "Bert",
               ["BertModel", "BertForMaskedLM"], [3], {"a": 1}],
)  # fmt: skip
def test_a_class_that_transformers_does_not_have_is_refused(listed: object, tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    state(folder, architectures=listed)
    assert "BertModel, BertForSequenceClassification, BertForMaskedLM" in refusal(folder)


def test_a_sentence_transformers_folder_and_an_adapter_are_refused(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    (folder / "modules.json").write_text("[]")
    assert "modules.json: a sentence-transformers folder" in refusal(folder)
    (folder / "modules.json").unlink()
    (folder / "adapter_config.json").write_text("{}")
    assert "merge_and_unload()" in refusal(folder)
