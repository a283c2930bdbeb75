"""Pooling and off-ramps against plain arithmetic on the encoder's own states."""

from __future__ import annotations

import pytest
import torch

from edgesim.compress.multi_exit import OffRamp, pool_tokens
from edgesim.errors import InputError
from tests.compress.toy_models import toy_model


def test_mean_pooling_leaves_padding_out() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool_tokens(hidden, mask, "mean").tolist() == [[2.0, 4.0]]
    assert pool_tokens(hidden, mask, "first").tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_every_ramp_reads_the_state_behind_its_layer(family: str) -> None:
    model = toy_model(family)
    ids = torch.tensor([[4, 9, 17, 5]])
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        logits = model(ids, mask)
        states = model.encoder(
            input_ids=ids, attention_mask=mask, output_hidden_states=True
        ).hidden_states
        for layer, ramp in enumerate(model.ramps):
            pooled = states[layer + 1].mean(dim=1)
            expected = pooled @ ramp.classifier.weight.T + ramp.classifier.bias
            assert torch.allclose(logits[layer], expected, atol=1e-6)
    assert logits.shape == (3, 1, 2)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match="allowed: mean, first"):
        OffRamp(4, 2, "max")
