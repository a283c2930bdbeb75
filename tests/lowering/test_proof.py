"""A trace is held against its module: what departs is named, what is right raises no alarm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lower_models import HIDDEN, LONGEST, VOCABULARY, bert, build, randomised, sentence
from torch import Tensor, nn
from transformers import BertForSequenceClassification, RobertaConfig, RobertaModel

import edgesim as es
from edgesim.errors import InputError, LoweringError
from edgesim.ir.ops import AttentionScores
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import load_trace, save_trace, trace_hash
from edgesim.lowering import lower as lower_unproved
from edgesim.pipeline.proof import proved

ROBERTA = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": 2,
    "num_attention_heads": 3, "intermediate_size": 40, "max_position_embeddings": 34,
}  # fmt: skip


class Masked(nn.Module):
    """Attention whose mask is True for padding, as many tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, HIDDEN)
        self.layers = nn.ModuleList([MaskedLayer(), MaskedLayer()])
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, input_ids: Tensor, pad_mask: Tensor) -> Tensor:
        hidden = self.table(input_ids)
        for layer in self.layers:
            hidden = layer(hidden, pad_mask)
        return self.head(hidden[:, 0])


class MaskedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projections = nn.ModuleList([nn.Linear(HIDDEN, HIDDEN) for _ in range(4)])
        self.norm = nn.LayerNorm(HIDDEN)

    def forward(self, hidden: Tensor, pad_mask: Tensor) -> Tensor:
        q, k, v = (p(hidden).view(1, -1, 3, 8).transpose(1, 2) for p in self.projections[:3])
        keep = ~pad_mask.bool()[:, None, None, :].expand(-1, -1, hidden.shape[1], -1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
        mixed = mixed.transpose(1, 2).reshape(1, -1, HIDDEN)
        return self.norm(hidden + self.projections[3](mixed))


def outputs_of(model: nn.Module, **arguments: Tensor) -> list[np.ndarray]:
    with torch.no_grad():
        returned = model(**arguments)
    return [
        t[0].numpy() for t in ([returned] if isinstance(returned, Tensor) else returned.to_tuple())
    ]


def largest_difference(
    trace: OpTrace, wanted: list[np.ndarray], ids: Tensor, **more: object
) -> float:
    got = es.execute(trace, ids[0].numpy(), **more).values()
    pairs = zip(got, wanted, strict=True)
    return max(float(np.abs(a.reshape(-1) - b.reshape(-1)).max()) for a, b in pairs)


def test_a_proof_states_the_lengths_and_the_difference_it_found() -> None:
    trace = es.lower(build("bert classifier"), sentence(6))
    assert trace.proof is not None
    assert trace.proof.lengths == (6, 5, LONGEST)
    assert 0 <= trace.proof.difference < 1e-5
    assert f"6, 5 and {LONGEST} tokens" in trace.proof.words()


def test_without_a_proof_none_is_stated() -> None:
    assert es.lower(build("bert"), prove=False).proof is None


def test_a_proof_is_saved_beside_the_content_of_a_trace(tmp_path: Path) -> None:
    trace = es.lower(build("bert"))
    save_trace(trace, tmp_path / "t.npz")
    assert load_trace(tmp_path / "t.npz").proof == trace.proof
    assert trace_hash(replace(trace, proof=None)) == trace_hash(trace)


def test_the_first_op_that_departs_is_named_with_its_module() -> None:
    lowered = lower_unproved(build("bert classifier"))
    name = "bert.encoder.layer.1.intermediate.dense"
    assert lowered.trace.values is not None
    values = dict(lowered.trace.values)
    values[f"{name}.weight"] = values[f"{name}.weight"] * np.float32(1.01)
    wrong = replace(lowered, trace=replace(lowered.trace, values=values))
    with pytest.raises(LoweringError, match=f"departs from the module at op {name} .*{name}"):
        proved(wrong)


def test_a_wrong_scale_of_one_attention_departs_at_its_softmax() -> None:
    lowered = lower_unproved(build("bert"))
    layer = lowered.trace.layers[0]
    ops = tuple(
        replace(op, scale=op.scale * 1.1) if isinstance(op, AttentionScores) else op
        for op in layer.ops
    )
    layers = (replace(layer, ops=ops), *lowered.trace.layers[1:])
    with pytest.raises(LoweringError, match=r"at op encoder\.layer\.0\.attention\.self"):
        proved(replace(lowered, trace=replace(lowered.trace, layers=layers)))


def test_a_forward_that_remembers_calls_departs_from_its_export() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(VOCABULARY, HIDDEN)
            self.calls = 0

        def forward(self, input_ids: Tensor) -> Tensor:
            self.calls += 1
            return self.table(input_ids) + self.table.weight.new_full((), float(self.calls > 1))

    with pytest.raises(LoweringError, match=r"torch\.export captured departs|cannot be lowered"):
        es.lower(Counting())


def test_one_logit_near_zero_is_no_departure() -> None:
    config = bert(num_labels=1)
    config.num_hidden_layers = 12
    model = randomised(BertForSequenceClassification(config))
    lowered = lower_unproved(model)
    ids = np.random.default_rng(0).integers(1, VOCABULARY, (40, 9))
    for row in ids:
        with torch.no_grad():
            logit = float(model(torch.from_numpy(row)[None]).logits)
            model.classifier.bias -= logit
            assert lowered.trace.values is not None
            values = dict(lowered.trace.values)
            values["classifier.bias"] = model.classifier.bias.numpy().copy()
        example = replace(
            lowered.reference.example, arguments={"input_ids": torch.from_numpy(row)[None]}
        )
        reference = replace(lowered.reference, example=example)
        trace = replace(lowered.trace, values=values)
        assert proved(replace(lowered, trace=trace, reference=reference)).proof is not None


def test_a_mask_keeps_the_meaning_that_its_module_gives_it() -> None:
    model, ids = Masked().eval(), sentence(8)
    none = torch.zeros(1, 8, dtype=torch.bool)
    trace = es.lower(model, (ids, none))
    assert largest_difference(trace, outputs_of(model, input_ids=ids, pad_mask=none), ids) < 1e-5
    assert all(op.spans == (None,) * 3 for op in trace.all_ops() if isinstance(op, AttentionScores))


def test_an_argument_without_default_is_asked_for_by_name() -> None:
    with pytest.raises(InputError, match="wants pad_mask, which has no default; give it"):
        es.lower(Masked(), sentence(8))


def test_a_mask_that_hides_a_whole_sentence_is_refused() -> None:
    with pytest.raises(LoweringError, match=r"hides every token \(from argument pad_mask\)"):
        es.lower(Masked().eval(), (sentence(8), torch.ones(1, 8, dtype=torch.bool)))


@pytest.mark.parametrize("padding_is", [True, False])
def test_padding_is_told_by_what_the_module_does(padding_is: bool) -> None:
    ids = sentence(8)
    if padding_is:
        model: nn.Module = Masked().eval()
        mask = torch.arange(8)[None] >= 5
        trace = es.lower(model, {"input_ids": ids, "pad_mask": mask})
        wanted = outputs_of(model, input_ids=ids, pad_mask=mask)
    else:
        model = build("bert classifier")
        mask = (torch.arange(8)[None] < 5).long()
        trace = es.lower(model, {"input_ids": ids, "attention_mask": mask})
        wanted = outputs_of(model, input_ids=ids, attention_mask=mask)
    assert trace.proof is not None
    assert trace.proof.lengths[0] == 5
    assert largest_difference(trace, wanted, ids[:, :5]) < 1e-5


def test_a_mask_with_a_hole_is_refused_by_name() -> None:
    mask = torch.tensor([[1, 0, 1, 1]])
    with pytest.raises(LoweringError, match="argument attention_mask differs from token to token"):
        es.lower(build("bert"), {"input_ids": sentence(4), "attention_mask": mask})


@pytest.mark.parametrize("first", [0, 2])
def test_positions_are_those_that_were_given(first: int) -> None:
    model = randomised(RobertaModel(RobertaConfig(**ROBERTA), add_pooling_layer=False))
    ids, places = sentence(7) + 0, torch.arange(first, first + 7)[None]
    ids[ids < 3] = 3
    trace = es.lower(model, {"input_ids": ids, "position_ids": places})
    wanted = outputs_of(model, input_ids=ids, position_ids=places)
    assert largest_difference(trace, wanted, ids) < 1e-5
    assert trace.max_tokens == ROBERTA["max_position_embeddings"] - first


def test_token_types_that_differ_come_with_the_sentence() -> None:
    model, ids = build("bert classifier"), sentence(6)
    types = torch.tensor([[0, 0, 0, 1, 1, 1]])
    trace = es.lower(model, {"input_ids": ids, "token_type_ids": types})
    wanted = outputs_of(model, input_ids=ids, token_type_ids=types)
    assert largest_difference(trace, wanted, ids, token_types=types[0].numpy()) < 1e-5
    other = outputs_of(model, input_ids=ids)
    assert largest_difference(trace, other, ids) < 1e-5
    assert largest_difference(trace, wanted, ids) > 1e-3
    assert trace_hash(replace(trace, proof=None)) == trace_hash(es.lower(model))


def test_a_token_type_other_than_zero_stays_what_it_is() -> None:
    model, ids = build("bert"), sentence(6)
    types = torch.ones_like(ids)
    trace = es.lower(model, {"input_ids": ids, "token_type_ids": types})
    wanted = outputs_of(model, input_ids=ids, token_type_ids=types)
    assert largest_difference(trace, wanted, ids) < 1e-5


def test_a_clamp_on_scores_is_not_dropped() -> None:
    class Clamped(MaskedLayer):
        def forward(self, hidden: Tensor, pad_mask: Tensor) -> Tensor:
            q, k, v = (p(hidden).view(1, -1, 3, 8).transpose(1, 2) for p in self.projections[:3])
            scores = torch.clamp(q @ k.transpose(-1, -2) / 8**0.5, -50, 50)
            mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(1, -1, HIDDEN)
            return self.norm(hidden + self.projections[3](mixed))

    model = Masked().eval()
    model.layers = nn.ModuleList([Clamped(), Clamped()])
    with pytest.raises(LoweringError, match="attention scores under an elementwise function"):
        es.lower(model, (sentence(8), torch.zeros(1, 8)))


def test_half_precision_weights_are_lowered_as_float32() -> None:
    model = build("bert classifier").bfloat16()
    trace = es.lower(model)
    assert next(model.parameters()).dtype == torch.bfloat16
    wanted = outputs_of(build("bert classifier").bfloat16().float(), input_ids=sentence(6))
    assert largest_difference(trace, wanted, sentence(6)) < 1e-5


def test_an_exported_program_is_lowered_with_the_inputs_that_it_carries() -> None:
    model, ids = build("bert"), sentence(7)
    length = torch.export.Dim("S", min=2, max=LONGEST)
    program = torch.export.export(
        model, (ids,), dynamic_shapes={"input_ids": {1: length}}, strict=False
    )
    trace = es.lower(program)
    assert trace.proof is not None
    assert trace.proof.lengths == (7, 5, LONGEST)
    assert largest_difference(trace, outputs_of(model, input_ids=ids), ids) < 1e-5
    with pytest.raises(InputError, match="brings its own example inputs"):
        es.lower(program, ids)


def test_outputs_come_in_the_order_of_the_module() -> None:
    model, ids = build("bert"), sentence(5)
    executed = es.execute(es.lower(model), ids[0].numpy())
    shapes = [array.shape for array in executed.values()]
    assert shapes == [(5, HIDDEN), (1, HIDDEN)]
    assert all(array.dtype == np.float32 for array in executed.values())


def test_a_trace_without_values_is_not_executed(tmp_path: Path) -> None:
    save_trace(es.lower(build("bert")), tmp_path / "t.npz")
    with pytest.raises(InputError, match="holds no weight values"):
        es.execute(load_trace(tmp_path / "t.npz"), [1, 2, 3])


def test_execution_in_chip_arithmetic_stays_near_float32() -> None:
    trace = es.find_model("minilm-sst2-ee").executable()
    ids = [101, 2023, 2003, 2204, 102]
    exact, coded = es.execute(trace, ids), es.execute(trace, ids, arithmetic="chip")
    assert list(exact) == list(coded)
    for name, values in exact.items():
        assert np.abs(values - coded[name]).max() < 0.5
        assert np.any(values != coded[name])


def test_token_types_out_of_range_are_refused() -> None:
    trace = es.lower(build("bert"))
    with pytest.raises(InputError, match="token types from 0 to 2"):
        es.execute(trace, [1, 2, 3], token_types=[0, 1, 2])
    with pytest.raises(InputError, match="one whole number per token"):
        es.execute(trace, [1, 2, 3], token_types=[0, 1])
