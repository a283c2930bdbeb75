"""Rounding to any number format inside a PyTorch graph, with a straight-through gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edgesim.errors import InputError
from edgesim.numerics import NumberFormat


class _RoundStraightThrough(torch.autograd.Function):
    """Round in the forward pass, pass the gradient unchanged."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, number_format: NumberFormat, parameter: Any) -> Tensor:
        rounded = number_format.quantize(values.detach().cpu().numpy(), parameter)
        return torch.from_numpy(rounded).to(values.device)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], None, None


def fake_quantise(values: Tensor, number_format: NumberFormat, parameter: Any = None) -> Tensor:
    """The tensor rounded to a format, with its shape and type; the gradient passes unchanged.

    The values are those of `number_format.quantize`, which computes them; without a parameter that
    of the tensor itself. Allowed are float32 and float64 tensors.
    """
    if values.dtype not in (torch.float32, torch.float64):
        raise InputError(f"fake_quantise: got a tensor of {values.dtype}; allowed float32, float64")
    rounded: Tensor = _RoundStraightThrough.apply(values, number_format, parameter)  # type: ignore[no-untyped-call]
    return rounded
