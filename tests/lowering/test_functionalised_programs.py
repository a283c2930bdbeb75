"""A forward that writes in place lowers like the same forward without; state is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lower_models import HIDDEN, LONGEST, VOCABULARY, bert, randomised, sentence
from torch import Tensor, nn
from transformers import BertModel

from edgesim.errors import LoweringError
from edgesim.functional.float32 import execute
from edgesim.ir.optrace import OpTrace
from edgesim.lowering.example import read_example
from edgesim.lowering.export import export_model
from edgesim.lowering.functionalise import functionalised
from edgesim.pipeline.lower import lower_model as lower
from edgesim.pipeline.models import ExportedFile

Forward = Callable[["Model", Tensor], Tensor]


def lowered_file(path: Path) -> OpTrace:
    return ExportedFile(path).lower()


class Model(nn.Module):
    """Embeddings, one attention layer and what the forwards below write to."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(VOCABULARY, HIDDEN), nn.Embedding(LONGEST, HIDDEN)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList([Attention()])})
        self.dense = nn.Linear(HIDDEN, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)
        self.register_buffer("cache", torch.zeros(1, HIDDEN))
        self.plain = torch.zeros(HIDDEN)

    def embedded(self, input_ids: Tensor) -> Tensor:
        x = self.table(input_ids)
        x += self.places(torch.arange(input_ids.shape[1])[None])
        return x


class Attention(nn.Module):
    """Attention without projections, and a feed-forward whose activation writes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(HIDDEN, 2 * HIDDEN), nn.Linear(2 * HIDDEN, HIDDEN)
        self.inner = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True))

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, scale: float | None = None
    ) -> Tensor:
        rows = hidden.unsqueeze(1)
        if scale is None:
            context = F.scaled_dot_product_attention(rows, rows, rows, mask)
        else:
            scores = rows.clone().mul_(scale) @ rows.transpose(2, 3)
            if mask is not None:
                scores.masked_fill_(mask.expand_as(scores), torch.finfo(scores.dtype).min)
            context = torch.softmax(scores.div_(2.0), -1) @ rows
        context = context.squeeze(1)
        context += hidden
        return self.down(self.inner(self.up(context)))


def _sum(self: Model, ids: Tensor) -> Tensor:
    return self.encoder["layer"][0](self.norm(self.embedded(ids)))


def _method(self: Model, ids: Tensor) -> Tensor:
    x = self.table(ids)
    x.add_(self.dense(x))
    return self.encoder["layer"][0](x)


def _out_argument(self: Model, ids: Tensor) -> Tensor:
    x = self.table(ids)
    torch.add(x, self.dense(x), out=x)
    return self.encoder["layer"][0](x)


def _scaled_queries(self: Model, ids: Tensor) -> Tensor:
    return self.encoder["layer"][0](self.table(ids), scale=0.25)


def _scores_filled_nowhere(self: Model, ids: Tensor) -> Tensor:
    padding = torch.ones(1, ids.shape[1]).eq_(0).bool()[:, None, None]
    return self.encoder["layer"][0](self.table(ids), padding, scale=0.25)


def _relu(self: Model, ids: Tensor) -> Tensor:
    x = self.dense(self.encoder["layer"][0](self.table(ids)))
    torch.relu_(x)
    return x


def _relu_through_a_view(self: Model, ids: Tensor) -> Tensor:
    x = self.dense(self.encoder["layer"][0](self.table(ids)))
    x.view(-1).relu_()
    return x


def _chain(self: Model, ids: Tensor) -> Tensor:
    x = self.embedded(ids)
    x.add_(self.dense(x)).relu_()
    x += x.clone()
    return self.encoder["layer"][0](self.norm(x).detach_())


def _mask_filled_in_place(self: Model, ids: Tensor) -> Tensor:
    mask = torch.ones(ids.shape[1], ids.shape[1])
    mask.masked_fill_(mask == 0, float("-inf")).masked_fill_(mask == 1, 0.0)
    return self.encoder["layer"][0](self.table(ids), mask)


def _band_filled_in_place(self: Model, ids: Tensor) -> Tensor:
    seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool)
    distance = torch.arange(ids.shape[1])[:, None] - torch.arange(ids.shape[1])[None]
    seen.masked_fill_(distance.abs() >= 3, False)
    return self.encoder["layer"][0](self.table(ids), seen)


RIGHT: dict[str, tuple[Forward, list[str]]] = {
    "x += positions": (_sum, ["embedding", "embedding", "add", "layernorm"]),
    "x.add_(y)": (_method, ["embedding", "matmul", "add"]),
    "torch.add(x, y, out=x)": (_out_argument, ["embedding", "matmul", "add"]),
    "query.mul_(scale)": (_scaled_queries, ["embedding"]),
    "scores.masked_fill_(padding, lowest)": (_scores_filled_nowhere, ["embedding"]),
    "torch.relu_(x)": (_relu, ["embedding"]),
    "x.view(-1).relu_()": (_relu_through_a_view, ["embedding"]),
    "a chain": (
        _chain,
        ["embedding", "embedding", "add", "matmul", "add", "activation", "add", "layernorm"],
    ),
    "an additive mask": (_mask_filled_in_place, ["embedding"]),
    "a band": (_band_filled_in_place, ["embedding"]),
}


def model_with(forward: Forward) -> Model:
    class Written(Model):
        def forward(self, input_ids: Tensor) -> Tensor:
            return forward(self, input_ids)

    model = Written()
    randomised(model)
    return model


def assert_same_values(trace: OpTrace, model: nn.Module) -> None:
    for num_tokens in (1, 2, 9, LONGEST):
        ids = sentence(num_tokens)
        with torch.no_grad():
            expected = model(ids)[0].numpy()
        found = execute(trace, ids[0].numpy())[trace.outputs[0]]
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", RIGHT)
def test_writes_in_place_give_the_values_and_the_ops_of_the_module(name: str) -> None:
    forward, prologue = RIGHT[name]
    model = model_with(forward)
    trace = lower(model)
    assert_same_values(trace, model)
    assert [op.kind for op in trace.prologue] == prologue
    kinds = [op.kind for op in trace.layers[0].ops]
    assert kinds[-4:] == ["add", "matmul", "activation", "matmul"]


def test_a_sum_in_place_is_the_same_trace_as_a_sum_under_the_same_module_paths() -> None:
    def written_out(self: Model, ids: Tensor) -> Tensor:
        x = self.table(ids) + self.places(torch.arange(ids.shape[1])[None])
        return self.encoder["layer"][0](self.norm(x))

    in_place, plain = lower(model_with(_sum)), lower(model_with(written_out))
    assert list(in_place.all_ops()) == list(plain.all_ops())
    assert dict(in_place.tensors) == dict(plain.tensors)
    assert "encoder.layer.0.up" in {op.name for op in in_place.all_ops()}


def test_shared_layers_stay_layers_of_their_own() -> None:
    def twice(self: Model, ids: Tensor) -> Tensor:
        return self.encoder["layer"][0](self.encoder["layer"][0](self.embedded(ids)))

    model = model_with(twice)
    trace = lower(model)
    assert len(trace.layers) == 2
    assert_same_values(trace, model)


@pytest.mark.parametrize("name", ["x += positions", "a band"])
def test_an_exported_file_may_write_in_place(name: str, tmp_path: Path) -> None:
    model = model_with(RIGHT[name][0])
    length = torch.export.Dim("S", min=2, max=LONGEST)
    program = torch.export.export(
        model, (), {"input_ids": sentence(8)}, dynamic_shapes={"input_ids": {1: length}},
        strict=False,
    )  # fmt: skip
    torch.export.save(program, tmp_path / "m.pt2")
    trace = lowered_file(tmp_path / "m.pt2")
    assert_same_values(trace, model)
    assert list(trace.all_ops()) == list(lower(model).all_ops())


def test_a_program_without_writes_is_left_alone() -> None:
    model = randomised(BertModel(bert()))
    program, _ = export_model(model, read_example(model, None))
    assert functionalised(program, "BertModel") is program


def _counts(self: Model, ids: Tensor) -> Tensor:
    self.cache += 1
    return self.table(ids)


def _caches(self: Model, ids: Tensor) -> Tensor:
    x = self.table(ids)
    self.cache.copy_(x[:, 0])
    return x


def _assigns(self: Model, ids: Tensor) -> Tensor:
    self.cache = self.cache * 0.9
    return self.table(ids) + self.cache


def _shrinks(self: Model, ids: Tensor) -> Tensor:
    self.dense.weight.mul_(0.5)
    return self.dense(self.table(ids))


def _clips_its_input(self: Model, ids: Tensor) -> Tensor:
    ids.clamp_(0, 3)
    return self.table(ids)


def _writes_to_a_plain_tensor(self: Model, ids: Tensor) -> Tensor:
    self.plain += 1
    return self.table(ids) + self.plain


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (_counts, "changes its buffer cache in place"),
        (_caches, "changes its buffer cache in place (aten.copy_.default"),
        (_assigns, "changes its buffer cache in place"),
        (_shrinks, "changes its parameter dense.weight in place"),
        (_clips_its_input, "changes its input input_ids in place (aten.clamp_.default"),
        (_writes_to_a_plain_tensor, "torch cannot rewrite the writes in place (aten.add_.Tensor"),
    ],
)
def test_a_forward_that_changes_what_outlives_it_is_refused_in_a_sentence(
    forward: Forward, expected: str
) -> None:
    model = model_with(forward)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(LoweringError) as caught:
        lower(model)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_program_stored_without_writes_still_tells_what_it_changes(tmp_path: Path) -> None:
    length = torch.export.Dim("S", min=2, max=LONGEST)
    program = torch.export.export(
        model_with(_caches), (), {"input_ids": sentence(8)},
        dynamic_shapes={"input_ids": {1: length}}, strict=False,
    )  # fmt: skip
    torch.export.save(program.run_decompositions({}), tmp_path / "m.pt2")
    with pytest.raises(LoweringError, match="changes its buffer cache in place; a trace keeps"):
        lowered_file(tmp_path / "m.pt2")


def test_a_write_to_a_part_of_an_activation_is_named_not_dropped() -> None:
    def first_row_cleared(self: Model, ids: Tensor) -> Tensor:
        x = self.encoder["layer"][0](self.table(ids))
        x[:, 0] = 0
        return x

    with pytest.raises(LoweringError, match=r"aten\.select_scatter\.default at the model itself"):
        lower(model_with(first_row_cleared))


def test_scores_filled_in_some_places_are_refused() -> None:
    def first_token_hidden(self: Model, ids: Tensor) -> Tensor:
        hidden = (torch.arange(ids.shape[1]) == 0)[None, None, None]
        return self.encoder["layer"][0](self.table(ids), hidden, scale=0.25)

    with pytest.raises(
        LoweringError, match=r"masked_fill\.Scalar at encoder\.layer\.0: a mask that"
    ):
        lower(model_with(first_token_hidden))
