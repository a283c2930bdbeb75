"""Pruning masks and number-format rounding as parametrisations of a module's weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edgesim.compress.fake_quantise import fake_quantise
from edgesim.numerics import NumberFormat


class CompressedWeight(nn.Module):
    """A weight as the chip will hold it: masked to zero where pruned, then rounded to a format."""

    mask: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))
        self.number_format: NumberFormat | None = None

    def forward(self, weight: Tensor) -> Tensor:
        kept = torch.where(self.mask, weight, torch.zeros((), dtype=weight.dtype))
        if self.number_format is None:
            return kept
        return fake_quantise(kept, self.number_format)


def magnitude_mask(weight: Tensor, zero_fraction: float) -> Tensor:
    """True for the (1 - zero_fraction) largest magnitudes of one tensor."""
    num_zero = round(zero_fraction * weight.numel())
    mask = np.ones(weight.numel(), dtype=bool)
    if num_zero:
        magnitude = weight.detach().abs().reshape(-1).numpy()
        mask[np.argpartition(magnitude, num_zero - 1)[:num_zero]] = False
    return torch.from_numpy(mask).reshape(weight.shape)


def cubic_fraction(progress: float, start: float, end: float, final_fraction: float) -> float:
    """Zero fraction at a share `progress` of the steps (Zhu and Gupta, 2017, equation 1)."""
    if progress <= start:
        return 0.0
    if progress >= end:
        return final_fraction
    return final_fraction * (1 - (1 - (progress - start) / (end - start)) ** 3)


def attach(module: nn.Module) -> dict[str, CompressedWeight]:
    """Put a `CompressedWeight` on every parameter below `module`; keys are the parameter names."""
    found: dict[str, CompressedWeight] = {}
    named = [(name, child) for name, child in module.named_modules()]
    for prefix, child in named:
        for name, parameter in list(child.named_parameters(recurse=False)):
            compressed = CompressedWeight(parameter)
            parametrize.register_parametrization(child, name, compressed)
            found[f"{prefix}.{name}" if prefix else name] = compressed
    return found


def original_weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The trained tensors behind the parametrisations, by parameter name."""
    for prefix, child in module.named_modules():
        if parametrize.is_parametrized(child):
            parametrized: Any = child.parametrizations
            for name, chain in parametrized.items():
                yield (f"{prefix}.{name}" if prefix else name), chain.original


def bake(module: nn.Module) -> None:
    """Replace every parametrised weight by the value that the forward pass uses."""
    for child in list(module.modules()):
        if parametrize.is_parametrized(child):
            parametrized: Any = child.parametrizations
            for name in list(parametrized):
                parametrize.remove_parametrizations(child, name, leave_parametrized=True)
