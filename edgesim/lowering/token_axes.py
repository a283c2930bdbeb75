"""Arguments along the tokens: which axes count tokens, and the same argument at another length."""

from __future__ import annotations

import torch
from torch import Tensor


def token_axes(value: Tensor, num_tokens: int) -> tuple[int, ...]:
    """Axes of an argument of one sentence that have one entry per token.

    A sentence of one token cannot tell its axes apart: the last one is taken, or of a
    floating-point tensor with features the last but one.
    """
    axes = tuple(axis for axis, size in enumerate(value.shape) if size == num_tokens)
    if num_tokens > 1 or not axes:
        return axes
    return (axes[-1],)


def continued(value: Tensor, axes: tuple[int, ...], num_tokens: int) -> Tensor:
    """The argument for `num_tokens` tokens: cut, counting on, or repeating its last entry."""
    first = counts_up(value, axes)
    for axis in axes:
        size = value.shape[axis]
        if num_tokens <= size:
            value = value.narrow(axis, 0, num_tokens)
            continue
        last = value.narrow(axis, size - 1, 1)
        shape = list(value.shape)
        shape[axis] = num_tokens - size
        more = last.expand(shape)
        if first is not None:
            steps = torch.arange(1, num_tokens - size + 1, dtype=value.dtype)
            more = last + steps.reshape([-1 if a == axis else 1 for a in range(value.dim())])
        value = torch.cat([value, more], dim=axis)
    return packed(value)


def packed(value: Tensor) -> Tensor:
    """A copy with the strides of its own shape, which a cut along one sentence need not have."""
    return value.clone(memory_format=torch.contiguous_format)


def counts_up(value: Tensor, axes: tuple[int, ...]) -> int | None:
    """First entry of whole numbers that rise by one from token to token; None for others."""
    if len(axes) != 1 or value.is_floating_point() or value.dtype == torch.bool:
        return None
    size = value.shape[axes[0]]
    rows = value.movedim(axes[0], -1).reshape(-1, size)
    if size < 2 or not bool((rows == rows[:1, :1] + torch.arange(size)).all()):
        return None
    return int(rows[0, 0])


def differs_by_token(value: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether an argument holds whole numbers, (1, S), that neither stay equal nor count up."""
    if len(axes) != 1 or value.is_floating_point() or value.dtype == torch.bool:
        return False
    if value.numel() != value.shape[axes[0]] or counts_up(value, axes) is not None:
        return False
    return bool((value != value.flatten()[0]).any())
