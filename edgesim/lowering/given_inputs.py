"""Inputs of a module as a caller gave them: by argument, as tensors, and complete."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgesim.errors import InputError

DEFAULT_TOKENS = 8
"""Tokens of the default example; the trace does not depend on it."""


def by_name(model: nn.Module, example_inputs: Any, names: list[str]) -> dict[str, Any]:
    """Given inputs by the forward's argument, arrays and lists as tensors."""
    given = _named(model, example_inputs, names)
    return {name: _tensor(name, value) for name, value in given.items()}


def _named(model: nn.Module, example_inputs: Any, names: list[str]) -> dict[str, Any]:
    if example_inputs is None:
        return {}
    if isinstance(example_inputs, Mapping):
        unknown = sorted(set(example_inputs) - set(names))
        if unknown:
            raise InputError(
                f"example_inputs: {', '.join(unknown)} is no argument of {type(model).__name__}; "
                f"its forward takes {', '.join(names)}"
            )
        return dict(example_inputs)
    values = example_inputs if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    if isinstance(example_inputs, list) and not any(isinstance(v, Tensor) for v in values):
        values = (example_inputs,)
    if len(values) > len(names):
        raise InputError(
            f"example_inputs: {len(values)} values; {type(model).__name__} takes {len(names)}"
        )
    return dict(zip(names, values, strict=False))


def check_missing(
    model: nn.Module, parameters: list[inspect.Parameter], given: Mapping[str, Any], token_ids: str
) -> None:
    """InputError for arguments without default that were not given; ids alone are made up."""
    missing = [
        p.name
        for p in parameters
        if p.default is p.empty and p.name != token_ids and p.name not in given
    ]
    if missing:
        raise InputError(
            f"example_inputs: the forward of {type(model).__name__} wants {', '.join(missing)}, "
            f"which has no default; give it for one sentence: {{{token_ids!r}: …, "
            + ", ".join(f"{name!r}: …" for name in missing)
            + "}"
        )


def token_rows(name: str, given: Mapping[str, Any], limit: int | None) -> Tensor:
    """Token ids, (batch, S); a made-up sentence where none was given."""
    value = given.get(name)
    if value is None and given:
        raise InputError(
            f"example_inputs: {', '.join(given)} without {name}; give token ids of the same "
            "sentence too"
        )
    if value is None:
        length = min(DEFAULT_TOKENS, limit or DEFAULT_TOKENS)
        return torch.zeros((1, length), dtype=torch.long)
    try:
        ids = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"example_inputs: {name} is a {type(value).__name__}; give token ids as a tensor "
            "(batch, tokens) of one length"
        ) from None
    if ids.is_floating_point() or ids.dim() not in (1, 2) or ids.numel() == 0:
        raise InputError(
            f"example_inputs: {name} has shape {tuple(ids.shape)} and type {ids.dtype}; allowed "
            "are whole-number token ids, (tokens,) or (batch, tokens), at least one token"
        )
    return ids.reshape(-1, ids.shape[-1]).long()


def _tensor(name: str, value: Any) -> Any:
    """Arrays and nested lists of numbers as tensors; everything else as it is.

    Raises InputError for tensors without plain values on this machine, and for ragged lists.
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        try:
            value = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(
                f"example_inputs: {name} is a {type(value).__name__} that is no tensor; give a "
                "tensor, or nested lists of numbers of one length"
            ) from None
    if isinstance(value, Tensor) and (
        value.device.type != "cpu" or value.layout != torch.strided or value.is_quantized
        or value.is_nested
    ):  # fmt: skip
        raise InputError(
            f"example_inputs: {name} is a tensor on {value.device.type} of layout {value.layout}; "
            "give a dense tensor with values, on the cpu"
        )
    if value is None or isinstance(value, (bool, int, float, str, Tensor)):
        return value
    raise InputError(
        f"example_inputs: {name} is a {type(value).__name__}; give tensors, numbers or text"
    )
