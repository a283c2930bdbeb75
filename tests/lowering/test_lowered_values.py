"""Oracle: a lowered trace executed op by op is the module itself, to 1e-5."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lower_models import HIDDEN, MODELS, bert, built_and_lowered, outputs, randomised, sentence
from torch import nn
from transformers import BertForMaskedLM, BertForTokenClassification, BertModel

from edgesim.functional.float32 import execute
from edgesim.ir.optrace import OpTrace
from edgesim.pipeline.lower import lower_model as lower

LENGTHS = (1, 2, 7, 48)
TOLERANCE = 1e-5


def assert_same_outputs(trace: OpTrace, model: nn.Module, lengths: tuple[int, ...]) -> None:
    for num_tokens in lengths:
        ids = sentence(num_tokens)
        expected = outputs(model, ids)
        values = execute(trace, ids[0].numpy())
        assert len(trace.outputs) == len(expected)
        for name, value in values.items():
            assert trace.tensors[name].dims(num_tokens) == value.shape, name
        for name, tensor in zip(trace.outputs, expected, strict=True):
            assert values[name].dtype == np.float32
            difference = values[name] - tensor.numpy().reshape(values[name].shape)
            assert float(np.abs(difference).max()) < TOLERANCE


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", MODELS)
def test_a_trace_executed_op_by_op_equals_the_module(name: str, attention: str) -> None:
    model, trace = built_and_lowered(name, attention)
    assert_same_outputs(trace, model, LENGTHS)


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_new", "gelu_fast", "gelu_python"])
def test_every_spelling_of_an_activation_gives_the_same_values(activation: str) -> None:
    model = randomised(BertModel(bert(hidden_act=activation)))
    trace = lower(model)
    functions = {op.function for op in trace.layers[0].ops if op.kind == "activation"}
    expected = {"gelu_fast": "gelu_new", "gelu_python": "gelu"}.get(activation, activation)
    assert functions == {expected}
    assert_same_outputs(trace, model, (5,))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_one_head_is_a_head(heads: int, attention: str) -> None:
    config = bert(attn_implementation=attention)
    config.num_attention_heads = heads
    model = randomised(BertModel(config))
    trace = lower(model)
    assert {op.num_heads for op in trace.all_ops() if op.kind == "attention_scores"} == {heads}
    assert_same_outputs(trace, model, (6,))


def test_heads_that_keep_all_tokens_and_tied_tables_are_lowered() -> None:
    for model in (BertForTokenClassification(bert()), BertForMaskedLM(bert())):
        randomised(model)
        assert_same_outputs(lower(model), model, (3, 11))


def test_hidden_states_and_attention_probabilities_can_be_outputs() -> None:
    config = bert(output_hidden_states=True, output_attentions=True, attn_implementation="eager")
    model = randomised(BertModel(config, add_pooling_layer=False))
    trace = lower(model)
    ids = sentence(6)
    with torch.no_grad():
        result = model(ids)
    expected = [result.last_hidden_state, *result.hidden_states, *result.attentions]
    values = execute(trace, ids[0].numpy())
    for name, tensor in zip(trace.outputs, expected, strict=True):
        np.testing.assert_allclose(values[name], tensor[0].numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("name", ["multi-exit bert, mean", "multi-exit albert, first"])
def test_the_entropy_of_every_ramp_is_that_of_its_softmax(name: str) -> None:
    model, trace = built_and_lowered(name)
    ids = sentence(9)
    values = execute(trace, ids[0].numpy())
    logits = torch.stack(outputs(model, ids))[:, 0]
    expected = torch.distributions.Categorical(logits=logits).entropy().numpy()
    found = [values[op.output][0, 0] for op in trace.all_ops() if op.kind == "entropy"]
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


class OneLayer(nn.Module):
    """An embedding and one encoder layer, without masks or norms."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList([layer])})
        self.table = nn.Embedding(50, HIDDEN)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.encoder["layer"][0](self.table(input_ids))


class WrittenOutLayer(nn.Module):
    """Attention in another order: queries scaled first, three-dimensional products."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        def split(x: torch.Tensor) -> torch.Tensor:
            return x.squeeze(0).unflatten(-1, (4, HIDDEN // 4)).permute(1, 0, 2)

        query = split(self.query(hidden)) / 3.0
        scores = torch.bmm(query, split(self.key(hidden)).transpose(1, 2)) * 2.0
        context = torch.bmm(torch.softmax(scores, -1), split(hidden))
        return context.permute(1, 0, 2).reshape(1, -1, HIDDEN)


def test_attention_written_out_with_batched_products_is_the_same_ops() -> None:
    model = randomised(OneLayer(WrittenOutLayer()))
    trace = lower(model)
    kinds = [op.kind for op in trace.layers[0].ops]
    assert kinds == [
        "matmul", "matmul", "attention_scores", "softmax", "relayout", "attention_context",
    ]  # fmt: skip
    scores = trace.layers[0].ops[2]
    assert scores.scale == pytest.approx(2.0 / 3.0)
    ids = sentence(5)
    with torch.no_grad():
        expected = model(ids)[0].numpy()
    np.testing.assert_allclose(
        execute(trace, ids[0].numpy())[trace.outputs[0]], expected, atol=TOLERANCE
    )


def banded(rows: list[list[int]]) -> nn.Module:
    """A multi-exit BERT whose heads see tokens at a distance below their span."""
    from edgesim.compress.attention import use_edgesim_attention
    from edgesim.compress.attention_span import HardSpan, set_spans
    from edgesim.compress.multi_exit import MultiExitClassifier

    model = MultiExitClassifier(BertModel(bert(), add_pooling_layer=False))
    use_edgesim_attention(model.encoder)
    set_spans(model, [HardSpan(torch.tensor(row)) for row in rows])
    return randomised(model)


def test_a_mask_over_token_distance_is_lowered_as_the_spans_of_its_heads() -> None:
    trace = lower(banded([[1, 3, 48], [2, 2, 60]]))
    spans = [op.spans for op in trace.all_ops() if op.kind == "attention_scores"]
    assert spans == [(1, 3, None), (2, 2, None)]


@pytest.mark.parametrize("rows", [[[0, 3, 48], [2, 0, 0]], [[0, 0, 0], [4, 48, 1]]])
def test_heads_that_see_nothing_are_taken_out_of_the_trace(rows: list[list[int]]) -> None:
    model = banded(rows)
    trace = lower(model)
    left = [op.num_heads for op in trace.all_ops() if op.kind == "attention_scores"]
    assert left == [max(1, sum(span > 0 for span in row)) for row in rows]
    size = HIDDEN // 3
    for layer, heads in zip(("0", "1"), left, strict=True):
        prefix = f"encoder.encoder.layer.{layer}.attention"
        assert trace.values is not None
        for part in ("query", "key", "value"):
            assert trace.values[f"{prefix}.self.{part}.weight"].shape == (heads * size, HIDDEN)
            assert trace.values[f"{prefix}.self.{part}.bias"].shape == (heads * size,)
        assert trace.values[f"{prefix}.output.dense.weight"].shape == (HIDDEN, heads * size)
    from edgesim.compress.head_removal import without_idle_heads

    assert_same_outputs(trace, model, (1, 7, 48))
    assert_same_outputs(lower(without_idle_heads(model)), model, (7,))


@pytest.mark.parametrize("rows", [[[0, 3, 48], [2, 0, 0]], [[0, 0, 0], [4, 48, 1]]])
def test_the_output_projection_can_stay_whole_without_a_change_of_values(
    rows: list[list[int]],
) -> None:
    model = banded(rows)
    smaller, trace = lower(model), lower(model, keep_output_projection=True)
    left = [max(1, sum(span > 0 for span in row)) for row in rows]
    assert [o.num_heads for o in trace.all_ops() if o.kind == "attention_context"] == left
    for layer in ("0", "1"):
        assert trace.values is not None
        name = f"encoder.encoder.layer.{layer}.attention.output.dense.weight"
        assert trace.values[name].shape == (HIDDEN, HIDDEN)
    assert_same_outputs(trace, model, (1, 7, 48))
    tokens, size = 5, HIDDEN // 3
    more = sum(tokens * HIDDEN * (3 - heads) * size for heads in left)
    assert trace.macs(tokens) - smaller.macs(tokens) == more
