"""Inputs as a caller gives them: the first sentence is told apart, what is none is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lower_models import HIDDEN, VOCABULARY
from torch import Tensor, nn

import edgesim as es
from edgesim.errors import InputError, LoweringError
from edgesim.pipeline.lower import lower_model as lower

BATCH = 8


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.projections = nn.ModuleList([nn.Linear(HIDDEN, HIDDEN) for _ in range(4)])
        self.norm = nn.LayerNorm(HIDDEN)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        shape = (len(hidden), -1, 3, HIDDEN // 3)
        q, k, v = (p(hidden).view(shape).transpose(1, 2) for p in self.projections[:3])
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(len(hidden), -1, HIDDEN)
        return self.norm(hidden + self.projections[3](mixed))


class Model(nn.Module):
    """Two layers; `mask` is (S, S), or (sentences, S) with True for words where `by_sentence`."""

    def __init__(self, *, by_sentence: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.by_sentence = by_sentence
        self.table = nn.Embedding(VOCABULARY, HIDDEN)
        self.layers = nn.ModuleList([Layer(), Layer()])
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, input_ids: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None and self.by_sentence:
            mask = mask.bool()[:, None, None, :]
        hidden = self.table(input_ids.long())
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return self.head(hidden[:, 0])


def ids(count: int = BATCH) -> Tensor:
    return torch.randint(3, VOCABULARY, (count, BATCH), generator=torch.Generator().manual_seed(0))


def test_a_padded_batch_of_as_many_sentences_as_tokens_gives_its_first_sentence() -> None:
    model, words = Model(by_sentence=True).eval(), torch.ones(BATCH, BATCH, dtype=torch.long)
    words[0, 5:] = 0
    trace = lower(model, {"input_ids": ids(), "mask": words})
    assert trace.proof is not None
    assert trace.proof.lengths[0] == 5
    with torch.no_grad():
        wanted = model(ids(), words)[0].numpy()
    (got,) = es.execute(trace, ids()[0, :5].numpy()).values()
    np.testing.assert_allclose(got.reshape(-1), wanted, atol=1e-5)


def test_a_mask_over_pairs_of_tokens_is_not_cut_like_a_batch() -> None:
    pairs = torch.ones(BATCH, BATCH).tril().bool()
    pairs[0] = True  # cut to its first row it would hide nothing
    with pytest.raises(InputError, match=r"mask with 8 sentences of 8 tokens.*give one sentence"):
        lower(Model(), {"input_ids": ids(), "mask": pairs})


@pytest.mark.parametrize(
    ("mask", "named"),
    [
        (torch.ones(1, BATCH, device="meta"), "mask is a tensor on meta"),
        (torch.ones(1, BATCH).to_sparse(), "mask is a tensor on cpu of layout torch.sparse_coo"),
        ([[1], [1, 1]], "mask is a list that is no tensor"),
        ({"a": 1}, "mask is a dict; give tensors"),
    ],
)
def test_an_argument_without_plain_values_is_named(mask: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        lower(Model(), {"input_ids": ids(1), "mask": mask})


def test_a_mask_of_one_axis_beside_a_batch_keeps_its_axis() -> None:
    class OneAxis(Model):
        def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
            return super().forward(input_ids, mask[None, None, None])

    trace = lower(OneAxis(), {"input_ids": ids(1), "mask": torch.ones(BATCH).bool()})
    assert trace.macs(BATCH) == lower(Model()).macs(BATCH)


def test_a_model_that_cuts_a_table_is_lowered_up_to_its_rows() -> None:
    class Cut(Model):
        def __init__(self) -> None:
            super().__init__()
            self.positions = nn.Embedding(30, HIDDEN)
            self.register_buffer("rows", torch.arange(30)[None])

        def forward(self, input_ids: Tensor) -> Tensor:
            hidden = self.table(input_ids) + self.positions(self.rows[:, : input_ids.shape[1]])
            return self.head(self.layers[0](hidden, None)[:, 0])

    trace = lower(Cut())
    assert trace.max_tokens == 30
    assert trace.proof is not None
    assert trace.proof.lengths == (8, 5, 30)


def test_a_forward_for_long_sentences_alone_says_from_which_length() -> None:
    class Long(Model):
        def forward(self, input_ids: Tensor) -> Tensor:
            hidden = self.table(input_ids)
            return self.head(hidden[:, 0] if input_ids.shape[1] > 4 else hidden[:, 0] * 2)

    with pytest.raises(LoweringError, match="takes only some sentence lengths: from 5 tokens on"):
        lower(Long())


def test_a_forward_that_returns_nothing_is_refused() -> None:
    class Nothing(Model):
        def forward(self, input_ids: Tensor) -> None:
            self.table(input_ids)

    with pytest.raises(LoweringError, match="Nothing: its forward returns no tensor"):
        lower(Nothing())


def test_a_joined_token_is_named_and_not_what_follows_it() -> None:
    class Joined(Model):
        def forward(self, input_ids: Tensor) -> Tensor:
            hidden = self.table(input_ids)
            hidden = self.layers[0](torch.cat([hidden[:, :1], hidden], dim=1), None)
            return self.head(hidden[:, 0])

    with pytest.raises(LoweringError, match=r"aten\.cat\.default at the model itself: it joins"):
        lower(Joined())


def test_a_forward_that_caches_a_tensor_is_lowered_and_still_works() -> None:
    class Caching(Model):
        def forward(self, input_ids: Tensor) -> Tensor:
            if "table" not in self.known:
                self.known["table"] = self.doubled = self.table.weight * 2
            hidden = nn.functional.embedding(input_ids, self.known["table"] + self.doubled)
            return self.head(self.layers[0](hidden, None)[:, 0])

    model = Caching()
    model.known = {}
    trace = lower(model)
    with torch.no_grad():
        wanted = model(ids(1)).numpy()
    (got,) = es.execute(trace, ids(1)[0].numpy()).values()
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, atol=1e-5)
