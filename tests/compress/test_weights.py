"""Masks, rounding and the pruning schedule as parametrisations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgesim.compress.pruning import cubic_fraction, magnitude_mask
from edgesim.compress.weights import (
    CompressedWeight,
    attach,
    bake,
    original_weights,
)
from edgesim.numerics import AdaptivFloat


@given(st.integers(1, 200), st.floats(0, 1), st.integers(0, 9))
def test_the_mask_keeps_the_largest_magnitudes_and_the_exact_share(
    size: int, zero_fraction: float, seed: int
) -> None:
    weight = torch.from_numpy(np.random.default_rng(seed).normal(size=size).astype(np.float32))
    mask = magnitude_mask(weight, zero_fraction)
    num_zero = int((~mask).sum())
    assert num_zero == round(zero_fraction * size)
    if 0 < num_zero < size:
        assert weight[~mask].abs().max() <= weight[mask].abs().min()


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, 0.0), (0.2, 0.0), (0.3, 0.8 * (1 - 0.75**3)), (0.4, 0.8 * (1 - 0.5**3)),
     (0.6, 0.8), (1.0, 0.8)],
)  # fmt: skip
def test_the_schedule_is_the_cubic_of_zhu_and_gupta(progress: float, expected: float) -> None:
    """Oracle: s_f + (s_i - s_f)(1 - (t - t_0) / (n dt))^3 with s_i = 0, from 0.2 to 0.6."""
    assert cubic_fraction(progress, 0.2, 0.6, 0.8) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_schedule_never_falls(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert cubic_fraction(low, 0.1, 0.7, 0.5) <= cubic_fraction(high, 0.1, 0.7, 0.5)


def test_a_masked_weight_is_zero_and_takes_no_gradient() -> None:
    weight = torch.tensor([3.0, -0.1, 2.0], requires_grad=True)
    compressed = CompressedWeight(weight)
    compressed.mask.copy_(torch.tensor([True, False, True]))
    out = compressed(weight)
    (out * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert out.tolist() == [3.0, 0.0, 2.0]
    assert weight.grad is not None
    assert weight.grad.tolist() == [1.0, 0.0, 100.0]


def test_rounding_passes_the_gradient_unchanged() -> None:
    weight = torch.tensor([1.03, -0.52, 0.26], requires_grad=True)
    compressed = CompressedWeight(weight)
    compressed.number_format = AdaptivFloat(4, 2)
    out = compressed(weight)
    (out * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert out.tolist() == [1.0, -0.5, 0.25]
    assert weight.grad is not None
    assert weight.grad.tolist() == [1.0, 2.0, 3.0]


def test_baking_leaves_the_weights_that_the_forward_pass_used() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8))
    attached = attach(module)
    assert sorted(attached) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    for compressed in attached.values():
        compressed.number_format = AdaptivFloat(8, 3)
    original = dict(original_weights(module))["0.weight"]
    attached["0.weight"].mask.copy_(magnitude_mask(original, 0.5))
    inputs = torch.randn(3, 8)
    before = module(inputs)
    bake(module)
    assert sorted(dict(module.named_parameters())) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert torch.equal(module(inputs), before)
    weight = module[0].weight.detach().numpy()
    assert (weight == 0).sum() >= 32
    assert np.array_equal(AdaptivFloat(8, 3).quantize(weight), weight)
