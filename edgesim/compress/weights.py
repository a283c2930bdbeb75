"""Pruning masks and number-format rounding as parametrisations of a module's weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edgesim.compress.attention_span import LearnedSpan
from edgesim.compress.fake_quantise import fake_quantise
from edgesim.numerics import NumberFormat


class _MaskStraightThrough(torch.autograd.Function):
    """Weight times mask; the weight's gradient is masked, the score's is that of the mask."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(weight, mask)
        return torch.where(mask, weight, torch.zeros((), dtype=weight.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        weight, mask = ctx.saved_tensors
        return grads[0] * mask, grads[0] * weight, None


class CompressedWeight(nn.Module):
    """A weight as the chip will hold it: masked to zero where pruned, then rounded to a format.

    With movement scores, the mask passes its gradient to them: dL/dS = dL/dW' * W (Sanh et al.,
    2020). Within `parametrize.cached` the rounding runs once per step, however often the
    layer is used.
    """

    mask: Tensor
    allowed: Tensor
    """Elements that no earlier stage has pruned."""

    def __init__(self, weight: Tensor, keep_zeros: bool = False, with_scores: bool = False) -> None:
        super().__init__()
        allowed = weight.detach() != 0 if keep_zeros else torch.ones_like(weight, dtype=torch.bool)
        self.register_buffer("allowed", allowed)
        self.register_buffer("mask", allowed.clone())
        self.scores = nn.Parameter(torch.zeros_like(weight)) if with_scores else None
        self.number_format: NumberFormat | None = None

    def forward(self, weight: Tensor) -> Tensor:
        if self.scores is None:
            kept = torch.where(self.mask, weight, torch.zeros((), dtype=weight.dtype))
        else:
            kept = _MaskStraightThrough.apply(weight, self.scores, self.mask)  # type: ignore[no-untyped-call]
        if self.number_format is None:
            return kept
        return fake_quantise(kept, self.number_format)


def attach(module: nn.Module, scores: bool = False) -> dict[str, CompressedWeight]:
    """Put a `CompressedWeight` on every parameter below `module`; keys are the parameter names.

    Zeros of matrices stay zero. With `scores`, matrices get movement scores. Spans and the
    rounding of activations are left alone.
    """
    found: dict[str, CompressedWeight] = {}
    named = [(n, c) for n, c in module.named_modules() if not isinstance(c, LearnedSpan)]
    for prefix, child in named:
        for name, parameter in list(child.named_parameters(recurse=False)):
            matrix = parameter.dim() == 2
            compressed = CompressedWeight(parameter, matrix, scores and matrix)
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
