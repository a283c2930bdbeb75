"""Every setting of config.json is honoured, without effect, named in a note, or refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from hugging_face_folders import built, refusal, state
from lower_models import outputs, sentence

from edgesim.ir.trace_file import trace_hash
from edgesim.lowering.hugging_face import load_hugging_face
from edgesim.pipeline.lower import lower_model as lower


@pytest.mark.parametrize("name", ["bert classifier", "albert", "distilbert"])
@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("position_embedding_type", "relative_key", "relative positions are not lowered"),
        ("position_embedding_type", "relative_key_query", "absolute"),
        ("auto_map", {"AutoModel": "modeling_x.X"}, "code that comes with a folder is not run"),
        ("is_decoder", True, "state false if the model is an encoder"),
        ("add_cross_attention", True, "cross-attention is not lowered"),
        ("is_encoder_decoder", True, "encoder-decoder models are not lowered"),
        ("chunk_size_feed_forward", 4, "state 0, which gives the same values"),
        ("quantization_config", {"quant_method": "bitsandbytes"}, "model.dequantize()"),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}, '"gptq"'),
        ("attn_implementation", "flash_attention_2", 'state "sdpa"'),
        ("_attn_implementation", "flex_attention", 'state "sdpa"'),
        ("_attn_implementation", {"": "flash_attention_2"}, 'state "sdpa"'),
    ],
)
def test_a_setting_that_changes_what_is_computed_is_refused_by_name(
    name: str, setting: str, value: object, words: str, tmp_path: Path
) -> None:
    _, folder = built(name, tmp_path / "m")
    state(folder, **{setting: value})
    text = refusal(folder)
    assert f"config.json: {setting} is {json.dumps(value)}" in text
    assert words in text


def test_every_refused_setting_is_named_at_once(tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    state(folder, is_decoder=True, chunk_size_feed_forward=2)
    text = refusal(folder)
    assert "is_decoder is true" in text
    assert "chunk_size_feed_forward is 2" in text


HARMLESS = {
    "position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False,
    "chunk_size_feed_forward": 0, "attn_implementation": "eager", "quantization_config": {},
    "pruned_heads": {}, "hidden_dropout_prob": 0.5, "classifier_dropout": 0.3, "dropout": 0.4,
    "initializer_range": 7.0, "torch_dtype": "float16", "transformers_version": "4.30.0",
    "gradient_checkpointing": True, "torchscript": True, "return_dict": False, "num_beams": 4,
    "task_specific_params": {"a": 1}, "finetuning_task": "sst-2", "use_cache": False,
    "problem_type": "single_label_classification", "tokenizer_class": "BertTokenizer",
}  # fmt: skip


@pytest.mark.parametrize("name", ["bert classifier", "albert classifier", "distilbert classifier"])
def test_settings_without_effect_leave_the_trace_alone(name: str, tmp_path: Path) -> None:
    model, folder = built(name, tmp_path / "m")
    state(folder, **HARMLESS)
    loaded = load_hugging_face(folder)
    assert loaded.notes == ()
    assert trace_hash(lower(loaded.module)) == trace_hash(lower(model))


def test_settings_that_the_class_lacks_are_named_in_a_note(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    state(folder, emb_size=312, cell={}, structure=[], pre_trained="")
    loaded = load_hugging_face(folder)
    (note,) = loaded.notes
    assert note == (
        "config.json: BertModel has no setting cell, emb_size, pre_trained, structure; without "
        "effect"
    )
    assert trace_hash(lower(loaded.module)) == trace_hash(lower(model))


def test_settings_that_ask_for_other_outputs_or_answers_are_noted(tmp_path: Path) -> None:
    model, folder = built("bert classifier", tmp_path / "m")
    state(folder, output_hidden_states=True, problem_type="multi_label_classification")
    loaded = load_hugging_face(folder)
    assert len(lower(loaded.module).outputs) == 1
    assert any("output_hidden_states is left out" in note for note in loaded.notes)
    assert any('problem_type "multi_label_classification"' in note for note in loaded.notes)
    torch.testing.assert_close(outputs(loaded.module, sentence(4)), outputs(model, sentence(4)))


def test_settings_of_the_class_are_honoured(tmp_path: Path) -> None:
    model, folder = built("bert", tmp_path / "m")
    state(folder, layer_norm_eps=0.5, hidden_act="relu", num_attention_heads=6)
    model.config.layer_norm_eps = 0.5
    loaded = load_hugging_face(folder).module
    assert loaded.embeddings.LayerNorm.eps == 0.5
    trace = lower(loaded)
    assert {op.function for op in trace.layers[0].ops if op.kind == "activation"} == {"relu"}
    assert {op.num_heads for op in trace.layers[0].ops if op.kind == "attention_scores"} == {6}


@pytest.mark.parametrize(
    ("name", "type_", "encoder"),
    [
        ("bert", "bert", "BertModel"), ("albert", "albert", "AlbertModel"),
        ("distilbert", "distilbert", "DistilBertModel"),
    ],
)  # fmt: skip
def test_a_missing_model_type_says_what_to_add(
    name: str, type_: str, encoder: str, tmp_path: Path
) -> None:
    model, folder = built(name, tmp_path / "m")
    state(folder, model_type=None, architectures=None)
    text = refusal(folder)
    assert f'add "model_type": "{type_}" and "architectures": ["{encoder}"]' in text
    state(folder, model_type=type_, architectures=[encoder])
    assert trace_hash(lower(load_hugging_face(folder).module)) == trace_hash(lower(model))


def test_missing_architectures_mean_the_encoder_where_every_weight_is_its_own(
    tmp_path: Path,
) -> None:
    _, folder = built("bert", tmp_path / "m")
    state(folder, architectures=None)
    loaded = load_hugging_face(folder)
    assert type(loaded.module).__name__ == "BertModel"
    assert loaded.notes == (
        "config.json states no architectures; taken as BertModel, to which every weight belongs",
    )
    _, folder = built("bert classifier", tmp_path / "c")
    state(folder, architectures=None)
    text = refusal(folder)
    assert "2 weights without a place in BertModel (classifier.bias, classifier.weight)" in text
    assert "state the class that holds them as architectures" in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_act": "foo"}, "hidden_act is 'foo', which transformers does not have"),
        ({"hidden_act": ["gelu"]}, "hidden_act is ['gelu']"),
        ({"hidden_size": "wide"}, "cannot build BertModel"),
        ({"num_attention_heads": 5}, "cannot build BertModel"),
        ({"type_vocab_size": 3}, "3 × 24 by config.json; correct type_vocab_size"),
        ({"vocab_size": 51}, "correct vocab_size"),
        ({"intermediate_size": 41}, "correct intermediate_size"),
        ({"max_position_embeddings": 47}, "correct max_position_embeddings"),
        ({"num_hidden_layers": 3}, "encoder.layer.2."),
        ({"num_hidden_layers": 1}, "16 weights of layers that config.json does not state"),
        ({"num_hidden_layers": 1}, "num_hidden_layers 1: correct it"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0: correct it"),
        ({"pruned_heads": {"0": "all"}}, "wanted are numbers of heads by layer"),
        ({"model_type": 3}, "of type 3"),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_named(
    settings: dict[str, object], words: str, tmp_path: Path
) -> None:
    _, folder = built("bert", tmp_path / "m")
    state(folder, **settings)
    text = refusal(folder)
    assert words in text
    assert "config.json" in text


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("distilbert", {"n_layers": 1}, "n_layers 1: correct it"),
        ("distilbert", {"n_layers": 3}, "n_layers 3: correct it"),
        ("distilbert", {"hidden_size": 48}, "dim is 24 and hidden_size, another name of it, 48"),
        ("distilbert", {"activation": "foo"}, "activation is 'foo'"),
        ("albert", {"inner_group_num": 2}, "inner_group_num 2: correct it"),
        ("albert", {"embedding_size": 8}, "correct embedding_size"),
        (
            "distilbert classifier",
            {"id2label": {"0": "a", "1": "b"}},
            "classifier.weight is 3 × 24",
        ),
    ],
)
def test_so_they_are_for_the_other_types(
    name: str, settings: dict[str, object], words: str, tmp_path: Path
) -> None:
    _, folder = built(name, tmp_path / "m")
    state(folder, **settings)
    assert words in refusal(folder)


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
    state(folder, **{field: 10**8})
    begin = time.process_time()
    assert "config.json" in refusal(folder)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 10**5])
def test_a_config_that_is_no_json_object_is_one_line(text: str, tmp_path: Path) -> None:
    _, folder = built("bert", tmp_path / "m")
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    assert "config.json" in refusal(folder)
