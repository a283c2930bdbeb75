"""Adaptive span: the mask by hand, heads that go off, and logits without the removed heads."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgesim.compress.attention import use_edgesim_attention
from edgesim.compress.attention_span import (
    HardSpan,
    LearnedSpan,
    attention_modules,
    learn_spans,
    masked_softmax,
    set_spans,
    span_figures,
    turn_heads_off,
)
from edgesim.compress.head_removal import without_idle_heads
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.pruning import clear_removed_heads
from edgesim.errors import InputError
from tests.compress.toy_models import toy_model

IDS = torch.arange(4, 15).reshape(1, -1)


def with_spans(family: str, rows: list[list[int]]) -> MultiExitClassifier:
    model = toy_model(family)
    use_edgesim_attention(model.encoder)
    set_spans(model, [HardSpan(torch.tensor(row)) for row in rows])
    return model


def test_an_encoder_that_would_ignore_spans_is_refused() -> None:
    encoder = toy_model("bert").encoder
    encoder._supports_attention_backend = False
    with pytest.raises(InputError, match="BertModel has its attention built in, and would ignore"):
        use_edgesim_attention(encoder)
    assert encoder.config._attn_implementation != "edgesim"


def logits(model: torch.nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(ids, torch.ones_like(ids))


@given(st.floats(-4, 20), st.integers(1, 12))
def test_the_mask_is_the_ramp_over_distance_and_its_support_the_whole_span(
    z: float, num_tokens: int
) -> None:
    """Oracle: clip((R + z - x) / R, 0, 1), x = |i - j|; visible where x < max(0, ceil(z + R))."""
    span = LearnedSpan(1, ramp=4, max_span=20, initial=0)
    span.z.data.fill_(z)
    z = float(span.z.detach())
    mask = span.mask(num_tokens)[0].detach().numpy()
    for i in range(num_tokens):
        for j in range(num_tokens):
            wanted = min(max((4 + z - abs(i - j)) / 4, 0.0), 1.0)
            assert mask[i, j] == pytest.approx(wanted, abs=1e-5)
    tokens = int(span.tokens)
    assert tokens == max(0, math.ceil(np.float32(z) + np.float32(4)))
    span.harden()
    hard = span.mask(num_tokens)[0].numpy()
    away = np.abs(np.subtract.outer(np.arange(num_tokens), np.arange(num_tokens)))
    assert np.array_equal(hard, away < tokens)


def test_the_masked_softmax_is_renormalised_and_zero_where_nothing_is_seen() -> None:
    scores = torch.tensor([[1.0, 2.0, 90.0], [1.0, 2.0, 3.0]], requires_grad=True)
    mask = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    found = masked_softmax(scores, mask)
    first, second = math.exp(1.0), 0.5 * math.exp(2.0)
    assert found[0].tolist() == pytest.approx(
        [first / (first + second), second / (first + second), 0.0]
    )
    assert found[1].tolist() == [0.0, 0.0, 0.0]
    found.sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_at_full_span_the_soft_model_is_the_plain_one() -> None:
    model = toy_model()
    plain = logits(model)
    use_edgesim_attention(model.encoder)
    learn_spans(model, ramp=4, max_span=30, initial=30)
    assert torch.allclose(logits(model), plain, atol=1e-6)


def test_padding_stays_invisible_beside_a_soft_span() -> None:
    model = toy_model()
    use_edgesim_attention(model.encoder)
    learn_spans(model, ramp=4, max_span=30, initial=2)
    padded = torch.cat([IDS, torch.zeros(1, 3, dtype=torch.int64)], dim=1)
    mask = (torch.arange(padded.shape[1]) < IDS.shape[1]).long()[None]
    with torch.no_grad():
        found = model(padded, mask)
    assert torch.allclose(found, logits(model), atol=1e-6)


def test_a_head_at_minus_r_adds_exactly_nothing() -> None:
    model = toy_model()
    use_edgesim_attention(model.encoder)
    learned = learn_spans(model, ramp=4, max_span=30, initial=30)
    learned[0].z.data[0] = -4.0
    _, attention = attention_modules(model)[0]
    hidden = torch.randn(1, 6, 32)
    with torch.no_grad():
        context, _ = attention(hidden)
    assert torch.equal(context[..., :16], torch.zeros(1, 6, 16))
    assert float(context[..., 16:].abs().min()) > 0


@pytest.mark.parametrize(
    ("family", "rows"),
    [("bert", [[0, 3], [40, 0], [0, 0]]), ("bert", [[5, 2], [1, 1], [40, 40]]),
     ("albert", [[0, 4]]), ("albert", [[0, 0]])],
)  # fmt: skip
def test_logits_after_removal_are_those_of_the_masked_model(
    family: str, rows: list[list[int]]
) -> None:
    model = with_spans(family, rows)
    masked = logits(model)
    smaller = without_idle_heads(model)
    assert torch.allclose(logits(smaller), masked, atol=1e-5)
    heads = [module.num_attention_heads for _, module in attention_modules(smaller)]
    assert heads == [max(1, sum(tokens > 0 for tokens in row)) for row in rows]
    sizes = [sum(p.numel() for p in m.parameters()) for m in (smaller, model)]
    assert sizes[0] < sizes[1] or all(min(row) > 0 for row in rows)
    clear_removed_heads(model)
    assert torch.equal(logits(model), masked)


def test_a_span_of_the_whole_sentence_changes_nothing() -> None:
    model = with_spans("bert", [[11, 30], [11, 11], [12, 12]])
    assert torch.allclose(logits(model), logits(toy_model()), atol=1e-6)


def test_the_smallest_z_go_off_and_every_layer_keeps_a_head() -> None:
    layers = [LearnedSpan(3, 4, 30, 0) for _ in range(2)]
    layers[0].z.data = torch.tensor([1.0, 2.0, 3.0])
    layers[1].z.data = torch.tensor([9.0, 4.0, -4.0])
    turn_heads_off(layers, 0.5, exact=True)
    assert [span.tokens.tolist() for span in layers] == [[0, 0, 7], [13, 8, 0]]
    turn_heads_off(layers, 1.0, exact=True)
    assert [int((span.tokens > 0).sum()) for span in layers] == [1, 1]


def test_heads_not_chosen_stay_on_however_strong_the_penalty() -> None:
    layer = LearnedSpan(3, 4, 30, 0)
    layer.z.data.fill_(-4.0)
    turn_heads_off([layer], 1 / 3, exact=True)
    assert sorted(layer.tokens.tolist()) == [0, 1, 1]


def test_figures_count_heads_and_cut_spans_at_the_longest_sentence() -> None:
    model = with_spans("bert", [[0, 4], [100, 6], [0, 2]])
    assert span_figures(model, 8) == (pytest.approx((0 + 4 + 8 + 6 + 0 + 2) / 6), 2)


def test_spans_of_another_model_are_refused() -> None:
    with pytest.raises(InputError, match="spans of 1 layers for 3 attention modules"):
        with_spans("bert", [[1, 1]])
    with pytest.raises(InputError, match="3 spans for 2 heads"):
        with_spans("bert", [[1, 1, 1]] * 3)
