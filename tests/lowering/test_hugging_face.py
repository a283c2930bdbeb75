"""Local Hugging Face folders: the stored model and no other, without network or pickle."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from hugging_face_folders import built, saved
from lower_models import bert, outputs, randomised, sentence
from test_lowered_values import assert_same_outputs
from transformers import AlbertConfig, AlbertForMaskedLM, BertForMaskedLM, GPT2Config, GPT2Model

from edgesim.errors import InputError
from edgesim.lowering.hugging_face import load_hugging_face
from edgesim.pipeline.lower import lower_model as lower

NAMES = ("bert", "bert without pooler", "bert classifier", "albert", "albert classifier",
         "distilbert", "distilbert classifier")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_gives_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    model, folder = built(name, tmp_path / "m")
    loaded = load_hugging_face(folder)
    assert not loaded.training
    ids = sentence(6)
    for found, expected in zip(outputs(loaded, ids), outputs(model, ids), strict=True):
        torch.testing.assert_close(found, expected)


def test_of_a_language_model_the_encoder_is_taken_without_an_untrained_pooler(
    tmp_path: Path,
) -> None:
    model = randomised(BertForMaskedLM(bert()))
    loaded = load_hugging_face(saved(model, tmp_path / "m"))
    assert type(loaded).__name__ == "BertModel"
    ids = sentence(5)
    with torch.no_grad():
        expected = model.bert(ids).last_hidden_state
    (found,) = outputs(loaded, ids)
    torch.testing.assert_close(found, expected)


def test_half_precision_weights_are_widened(tmp_path: Path) -> None:
    model, _ = built("bert", tmp_path / "whole")
    loaded = load_hugging_face(saved(model.half(), tmp_path / "half"))
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_albert_base_lowers_and_shares_its_layer(tmp_path: Path) -> None:
    config = AlbertConfig(
        vocab_size=30000, embedding_size=128, hidden_size=768, num_hidden_layers=12,
        num_hidden_groups=1, num_attention_heads=12, intermediate_size=3072,
    )  # fmt: skip
    folder = saved(AlbertForMaskedLM(config), tmp_path / "albert-base-v2")
    trace = lower(load_hugging_face(folder), prove=False)
    assert trace.num_layers == 12
    weights = {op.weight for layer in trace.layers for op in layer.ops if op.kind == "matmul"}
    assert len(weights) == 6
    s, d, f = 128, 768, 3072
    layer = 4 * s * d * d + 2 * s * s * d + 2 * s * d * f
    assert trace.macs(s) == 12 * layer + s * 128 * d


def test_a_trace_of_a_folder_executes_as_its_model(tmp_path: Path) -> None:
    model, folder = built("distilbert classifier", tmp_path / "m")
    assert_same_outputs(lower(load_hugging_face(folder)), model, (3,))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_hugging_face(folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_another_architecture_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=20, n_positions=8)
    text = refusal(saved(GPT2Model(config), tmp_path / "gpt"))
    assert "'GPT2Model' of type 'gpt2'" in text
    assert "albert, bert, distilbert" in text
    _, folder = built("bert", tmp_path / "m")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "architectures": ["BertForX"]}))
    assert "'BertForX'" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pytorch_model.bin", "pytorch_model.bin is a pickle"),
        ("model.safetensors.index.json", "sharded"),
        (None, "no weights are there"),
    ],
)
def test_missing_pickled_or_sharded_weights_say_how_to_save(
    name: str | None, words: str, tmp_path: Path
) -> None:
    _, folder = built("bert", tmp_path / "m")
    (folder / "model.safetensors").unlink()
    if name is not None:
        (folder / name).write_bytes(b"anything")
    text = refusal(folder)
    assert words in text
    assert "save_pretrained" in text


def test_damaged_weights_and_configurations_are_one_line(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole, stated = weights.read_bytes(), json.loads(config.read_text())
    for content in (whole[: len(whole) // 2], b"\xff" * 64, b"version https://git-lfs"):
        weights.write_bytes(content)
        assert "damaged or no safetensors file" in refusal(folder)
    weights.write_bytes(whole)
    config.write_text(json.dumps({**stated, "num_hidden_layers": 3}))
    assert "16 parameters of BertModel missing" in refusal(folder)
    config.write_text(json.dumps({**stated, "intermediate_size": 41}))
    assert "config.json" in refusal(folder)
    config.write_text(json.dumps({**stated, "hidden_size": "wide"}))
    assert "cannot build BertModel" in refusal(folder)
    config.write_text("{")
    assert "no readable JSON" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("bert", "num_hidden_layers"), ("distilbert", "n_layers"), ("albert", "num_hidden_layers"),
        ("albert", "num_hidden_groups"), ("bert", "vocab_size"), ("bert", "hidden_size"),
    ],
)  # fmt: skip
def test_sizes_beyond_what_the_file_holds_are_refused_before_anything_is_built(
    name: str, field: str, tmp_path: Path
) -> None:
    _, folder = built(name, tmp_path / "m")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: 10**8}))
    begin = time.process_time()
    assert "config.json" in refusal(folder)
    assert time.process_time() - begin < 2
