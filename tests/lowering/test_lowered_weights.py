"""Names, classes, sharing and zeros of the weights of a lowered trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lower_models import (
    LAYERS,
    LONGEST,
    VOCABULARY,
    albert,
    bert,
    build,
    built_and_lowered,
    randomised,
    sentence,
)
from torch.nn.utils import prune
from transformers import AlbertModel, BertForMaskedLM, BertModel

from edgesim.compress.pruning import magnitude_mask
from edgesim.compress.weights import attach
from edgesim.errors import InputError
from edgesim.functional.float32 import execute
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import save_trace
from edgesim.pipeline.lower import lower_model as lower


def weight_names(trace: OpTrace) -> set[str]:
    return {name for op in trace.all_ops() for name in op.weights}


@pytest.mark.parametrize(
    "name", ["bert", "albert", "bert classifier", "multi-exit bert, mean", "distilbert"]
)
def test_every_parameter_of_the_model_is_a_tensor_of_the_trace(name: str) -> None:
    model, trace = built_and_lowered(name)
    state = dict(model.named_parameters())
    assert weight_names(trace) == set(state)
    assert trace.values is not None
    for key, parameter in state.items():
        np.testing.assert_array_equal(trace.values[key], parameter.detach().numpy())


def test_shared_layers_name_the_same_weights_under_names_of_their_own() -> None:
    _, trace = built_and_lowered("albert")
    assert trace.num_layers == LAYERS
    first, *others = ([name for op in layer.ops for name in op.weights] for layer in trace.layers)
    assert all(other == first for other in others)
    names = [op.name for op in trace.all_ops()]
    assert len(names) == len(set(names))
    query = "encoder.albert_layer_groups.0.albert_layers.0.attention.query"
    assert [op.name for layer in trace.layers for op in layer.ops[:1]] == [
        f"{query}@{index}" for index in range(1, LAYERS + 1)
    ]


def test_a_tied_table_is_one_embedding_tensor() -> None:
    model = randomised(BertForMaskedLM(bert()))
    trace = lower(model)
    table = "bert.embeddings.word_embeddings.weight"
    assert [op.kind for op in trace.all_ops() if table in op.weights] == ["embedding", "matmul"]
    assert trace.tensors[table].tensor_class == "embedding_weight"
    assert "cls.predictions.decoder.weight" not in trace.tensors


def test_tensor_classes_follow_the_place_of_use() -> None:
    _, trace = built_and_lowered("multi-exit albert, mean")
    for name, tensor in trace.tensors.items():
        table = "_embeddings.weight" in name
        expected = (
            "activation" if name.endswith(":out")
            else "offramp_weight" if name.startswith("ramps.")
            else "embedding_weight" if table
            else "encoder_weight"
        )  # fmt: skip
        assert tensor.tensor_class == expected, name


def test_an_albert_trace_maps_embeddings_in_its_prologue() -> None:
    _, trace = built_and_lowered("albert without pooler")
    assert [op.kind for op in trace.prologue] == [
        "embedding", "embedding", "add", "embedding", "add", "layernorm", "matmul",
    ]  # fmt: skip
    assert trace.epilogue == ()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_layer_is_fifteen_ops_however_attention_is_written(attention: str) -> None:
    _, trace = built_and_lowered("multi-exit bert, first", attention)
    for index, layer in enumerate(trace.layers, start=1):
        assert [op.kind for op in layer.ops] == [
            "matmul", "matmul", "matmul", "attention_scores", "softmax", "relayout",
            "attention_context", "matmul", "add", "layernorm", "matmul", "activation", "matmul",
            "add", "layernorm",
        ]  # fmt: skip
        assert [op.kind for op in layer.ramp] == ["pool", "matmul", "entropy", "exit_check"]
        assert layer.ramp[-1].layer == index
        assert layer.ramp[1].output in trace.outputs


def test_weight_masks_are_the_real_zeros_and_densities_their_count() -> None:
    model = build("bert")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "layer.1" not in name:
                parameter[~magnitude_mask(parameter, 0.6)] = 0.0
        model.encoder.layer[1].output.dense.bias[:5] = 0.0
    trace = lower(model)
    for name, parameter in model.named_parameters():
        kept = parameter.detach().numpy() != 0
        np.testing.assert_array_equal(trace.weight_mask(name), kept)
        assert trace.tensors[name].density == pytest.approx(kept.mean())
        assert (name in trace.masks) == (not kept.all())


def test_weights_pruned_by_hooks_or_parametrisations_are_stored_as_the_forward_uses_them() -> None:
    hooked = randomised(AlbertModel(albert()))
    layer = hooked.encoder.albert_layer_groups[0].albert_layers[0]
    prune.l1_unstructured(layer.ffn, "weight", 0.5)
    parametrised = randomised(BertModel(bert()))
    for compressed in attach(parametrised.encoder).values():
        compressed.mask.copy_(torch.rand(compressed.mask.shape) > 0.4)
    ids = sentence(9)
    for model in (hooked, parametrised):
        trace = lower(model)
        with torch.no_grad():
            expected = model(ids).last_hidden_state[0].numpy()
        found = execute(trace, ids[0].numpy())[trace.outputs[0]]
        assert np.abs(found - expected).max() < 1e-5
        assert not any("mask" in name or "orig" in name for name in weight_names(trace))
    name = "encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"
    trace = lower(hooked)
    assert trace.tensors[name].density == 0.5
    assert type(layer.ffn.weight) is torch.Tensor


def test_a_dropped_bias_stays_dropped_and_a_zero_bias_stays_a_bias() -> None:
    model = build("bert without pooler")
    dense = model.encoder.layer[0].intermediate.dense
    dense.bias = None
    torch.nn.init.zeros_(model.encoder.layer[1].intermediate.dense.bias)
    trace = lower(model)
    products = {op.name: op for op in trace.all_ops() if op.kind == "matmul"}
    assert products["encoder.layer.0.intermediate.dense"].bias is None
    name = "encoder.layer.1.intermediate.dense"
    assert products[name].bias == f"{name}.bias"
    assert trace.tensors[f"{name}.bias"].density == 0.0


def test_weights_that_are_not_finite_are_all_named() -> None:
    model = build("bert")
    with torch.no_grad():
        model.encoder.layer[0].output.dense.weight[0, 0] = float("nan")
        model.pooler.dense.bias[1] = float("inf")
    with pytest.raises(InputError, match="NaN or infinity") as caught:
        lower(model)
    assert "encoder.layer.0.output.dense.weight (1 of 960)" in str(caught.value)
    assert "pooler.dense.bias (1 of 24)" in str(caught.value)


def test_a_trace_keeps_its_weights_when_the_model_trains_on() -> None:
    model = build("bert")
    trace = lower(model)
    assert trace.values is not None
    before = trace.values["pooler.dense.weight"].copy()
    with torch.no_grad():
        model.pooler.dense.weight.mul_(2.0)
    np.testing.assert_array_equal(trace.values["pooler.dense.weight"], before)


def test_a_pooler_that_no_output_needs_is_not_in_the_trace() -> None:
    from edgesim.compress.multi_exit import MultiExitClassifier

    trace = lower(randomised(MultiExitClassifier(AlbertModel(albert()))))
    assert not any("pooler" in name for name in trace.tensors)
    assert trace.epilogue == ()


def test_number_formats_token_counts_and_names_are_taken_over() -> None:
    counts = np.arange(VOCABULARY)
    trace = lower(
        build("bert"), name="mine", weight_format="adaptivfloat<8,3>", activation_format="int8",
        token_counts=counts,
    )  # fmt: skip
    assert (trace.name, trace.model_class, trace.max_tokens) == ("mine", "BertModel", LONGEST)
    formats = {t.tensor_class == "activation": t.number_format for t in trace.tensors.values()}
    assert formats == {True: "int8", False: "adaptivfloat<8,3>"}
    np.testing.assert_array_equal(trace.token_counts, counts)
    with pytest.raises(InputError, match="one count each"):
        lower(build("bert"), token_counts=counts[:-1])


def test_lowering_twice_saves_the_same_bytes(tmp_path: Path) -> None:
    for name in ("multi-exit albert, mean", "bert classifier"):
        paths = [tmp_path / f"{name}-{i}.trace" for i in (1, 2)]
        for path in paths:
            save_trace(lower(build(name)), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
