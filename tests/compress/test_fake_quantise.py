"""Rounding in a PyTorch graph: the values of the formats, the gradient of doing nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgesim.compress.fake_quantise import fake_quantise
from edgesim.compress.weights import CompressedWeight
from edgesim.errors import InputError
from edgesim.numerics import parse_format

NAMES = (
    "adaptivfloat<8,3>", "adaptivfloat<4,2>/row", "fp4_e3m0/vector16", "fixed<8,6>", "int8",
    "affine<4>", "bfp<6>/vector16", "posit<8,1>", "binary", "ternary", "float8_e4m3fn", "float16",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_those_of_the_format_and_gradients_pass(name: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(6, 40, generator=generator, dtype=dtype).requires_grad_()
    rounded = fake_quantise(weight, parse_format(name))
    assert rounded.dtype == dtype
    expected = parse_format(name).quantize(weight.detach().numpy())
    assert np.array_equal(rounded.detach().numpy(), expected)
    slope = torch.randn(6, 40, generator=generator, dtype=dtype)
    (rounded * slope).sum().backward()
    assert torch.equal(weight.grad, slope)  # type: ignore[arg-type]


def test_a_stored_parameter_is_used_instead_of_the_tensor_s_own() -> None:
    weight = torch.tensor([[0.3, -7.0]])
    number_format = parse_format("adaptivfloat<8,3>")
    assert fake_quantise(weight, number_format, -9)[0, 1] == -(2.0**-2) * (2 - 2.0**-4)


def test_a_compressed_weight_takes_any_format() -> None:
    weight = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    compressed = CompressedWeight(weight)
    compressed.number_format = parse_format("int4/row")
    expected = parse_format("int4/row").quantize(weight.numpy())
    assert np.array_equal(compressed(weight).numpy(), expected)


def test_half_precision_tensors_are_refused() -> None:
    with pytest.raises(InputError, match="allowed float32, float64"):
        fake_quantise(torch.zeros(3, dtype=torch.float16), parse_format("int8"))
