"""Cutting the padding off a sentence: told by what the module does, not by an argument's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.errors import LoweringError
from edgesim.lowering.module_run import run_module
from edgesim.lowering.token_axes import packed

_TOLERANCE = 1e-4
"""Relative to the largest output: room for sums in another order."""


def without_padding(
    model: nn.Module, arguments: Mapping[str, Any], axes: Mapping[str, tuple[int, ...]],
    token_ids: str,
) -> dict[str, Any]:  # fmt: skip
    """The arguments without the tokens that a mask among them hides.

    A mask has two values in one block each. The tokens of one block are padding if the module
    returns the same for the other block alone; what is no padding stays as it is.
    """
    kept = dict(arguments)
    for name in axes:
        if name == token_ids:
            continue
        for tokens in _blocks(kept[name], axes[name]):
            cut = {
                n: packed(v[_slices(v, axes[n], tokens)]) if n in axes else v
                for n, v in kept.items()
            }
            if _is_padding(model, kept, cut, tokens):
                kept = cut
                break
    return kept


def is_first_row(model: nn.Module, whole: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Whether a module returns for one sentence what it returns for it in a batch, as the first."""
    try:
        return _same(run_module(model, whole), run_module(model, first), slice(0, 1))
    except LoweringError:
        return False


def _is_padding(
    model: nn.Module, whole: Mapping[str, Any], cut: Mapping[str, Any], tokens: slice
) -> bool:
    try:
        return _same(run_module(model, whole), run_module(model, cut), tokens)
    except LoweringError:
        return False


def _blocks(mask: Any, axes: tuple[int, ...]) -> list[slice]:
    """The two stretches of tokens of a mask with two values, first the one that ends early."""
    if not isinstance(mask, Tensor) or len(axes) != 1 or mask.numel() != mask.shape[axes[0]]:
        return []
    row = mask.flatten()
    changes = torch.nonzero(row[1:] != row[:-1]).flatten()
    if len(changes) != 1:
        return []
    place = int(changes[0]) + 1
    return [slice(0, place), slice(place, len(row))]


def _slices(value: Tensor, axes: tuple[int, ...], tokens: slice) -> tuple[slice, ...]:
    return tuple(tokens if axis in axes else slice(None) for axis in range(value.dim()))


def _same(whole: Sequence[Tensor], cut: Sequence[Tensor], tokens: slice) -> bool:
    """Whether outputs on all tokens, restricted to a stretch, are those on the stretch alone."""
    if not whole or not cut or len(whole) != len(cut):
        return False
    for long, short in zip(whole, cut, strict=True):
        if long.dim() != short.dim():
            return False
        part = long
        for axis, (size, wanted) in enumerate(zip(long.shape, short.shape, strict=True)):
            if size != wanted:
                part = part.narrow(axis, tokens.start, wanted)
        largest = float(short.abs().max()) if short.numel() else 0.0
        if not bool(((part - short).abs() <= _TOLERANCE * max(largest, 1e-6)).all()):
            return False
    return True
