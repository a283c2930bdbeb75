"""Inputs of an export: one row of token ids and, for a mask or types, what batch 1 means.

A model without embeddings takes a floating-point tensor instead, one row per token.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.errors import InputError

_DEFAULT_TOKENS = 8
"""Tokens of the default example; the trace does not depend on it."""


@dataclass(frozen=True)
class ExampleInputs:
    """Arguments of the forward by name, each tensor (1, S)."""

    token_ids: str
    """Name of the argument that holds the token ids, or the input tensor."""
    arguments: Mapping[str, Any]
    max_tokens: int | None
    """From the model's configuration; None if it states no limit."""
    input_shape: tuple[int | None, ...] | None = None
    """Of the input tensor, None at the tokens; None where there are token ids, (1, S)."""

    @property
    def token_axis(self) -> int:
        """Axis of the tokens in the token ids or the input tensor."""
        return 1 if self.input_shape is None else self.input_shape.index(None)

    def at(self, num_tokens: int) -> dict[str, Any]:
        """The arguments for a sentence of `num_tokens` tokens; token ids are stand-ins."""
        made = {
            name: _of_kind(kind_of(name, self.token_ids), num_tokens)
            if isinstance(value, Tensor)
            else value
            for name, value in self.arguments.items()
        }
        if self.input_shape is not None:
            made[self.token_ids] = input_of_shape(self.input_shape, num_tokens)
        return made


def input_of_shape(shape: tuple[int | None, ...], num_tokens: int) -> Tensor:
    """A stand-in for an input tensor at one length."""
    return torch.zeros([num_tokens if size is None else size for size in shape])


def kind_of(name: str, token_ids: str) -> str | None:
    """What an argument means, told by its name; None if that is unknown."""
    if name == token_ids:
        return "token"
    return next((kind for kind in ("mask", "type", "position") if kind in name), None)


def _of_kind(kind: str | None, num_tokens: int) -> Tensor:
    if kind == "position":
        return torch.arange(num_tokens).unsqueeze(0)
    fill = torch.ones if kind == "mask" else torch.zeros
    return fill((1, num_tokens), dtype=torch.long)


def position_limit(model: nn.Module) -> int | None:
    """Longest sentence by the configuration of the model or of a module inside it."""
    for module in model.modules():
        limit = getattr(getattr(module, "config", None), "max_position_embeddings", None)
        if isinstance(limit, int):
            return limit
    return None


def _by_name(model: nn.Module, example_inputs: Any, names: list[str]) -> dict[str, Any]:
    """Given inputs as a dictionary of the forward's arguments."""
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
    if len(values) > len(names):
        raise InputError(
            f"example_inputs: {len(values)} values; {type(model).__name__} takes {len(names)}"
        )
    return dict(zip(names, values, strict=False))


def _token_row(name: str, value: Any) -> Tensor:
    """The first sentence of a batch of token ids, (1, S)."""
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
    return ids.reshape(-1, ids.shape[-1])[:1].long()


def read_example(model: nn.Module, example_inputs: Any) -> ExampleInputs:
    """Arguments for an export of one sentence from a tensor, tuple, mapping or None.

    The batch is reduced to its first row. Masks become all ones and types all zeros: a sentence
    has its own length and one segment. Raises InputError for arguments of unknown meaning.
    """
    parameters = inspect.signature(model.forward).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    if not names:
        raise InputError(f"{type(model).__name__}: its forward names no arguments to give ids to")
    _check_device(model)
    given = _by_name(model, example_inputs, names)
    token_ids = "input_ids" if "input_ids" in names else names[0]
    shape = None if token_ids == "input_ids" else input_shape(model, given.get(token_ids))
    if shape is not None:
        return _embedded_example(model, named, given, token_ids, shape)
    limit = position_limit(model)
    default = [[0] * min(_DEFAULT_TOKENS, limit or _DEFAULT_TOKENS)]
    row = _token_row(token_ids, given.get(token_ids, default))
    if limit is not None and row.shape[1] > limit:
        raise InputError(
            f"example_inputs: {row.shape[1]} tokens; {type(model).__name__} takes at most {limit}"
        )
    arguments = _arguments(model, named, given, token_ids, max(2, row.shape[1]))
    return ExampleInputs(token_ids, arguments, limit)


def _check_device(model: nn.Module) -> None:
    """Raise InputError unless all parameters and buffers lie in the memory of this machine."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    elsewhere = sorted({tensor.device.type for _, tensor in tensors} - {"cpu"})
    if not elsewhere:
        return
    first = next(name for name, tensor in tensors if tensor.device.type != "cpu")
    fix = "call model.cpu() first"
    if "meta" in elsewhere:
        fix = "tensors on meta hold no values: load the weights onto the cpu first"
    raise InputError(f"{type(model).__name__}: {first} is on {', '.join(elsewhere)}; {fix}")


def input_shape(model: nn.Module, given: Any) -> tuple[int | None, ...] | None:
    """Shape of the input tensor with None at the tokens and batch 1; None for token ids."""
    attention = next((m for m in model.modules() if isinstance(m, nn.MultiheadAttention)), None)
    if given is None:
        if not isinstance(model, (nn.TransformerEncoder, nn.TransformerEncoderLayer)):
            return None
        assert attention is not None
        return (1, None, attention.embed_dim) if attention.batch_first else (
            None, 1, attention.embed_dim,
        )  # fmt: skip
    if not isinstance(given, Tensor) or not given.is_floating_point():
        return None
    if given.dim() not in (2, 3) or given.numel() == 0:
        raise InputError(
            f"example_inputs: an input tensor of shape {tuple(given.shape)}; allowed are "
            "(tokens, width), (batch, tokens, width) and, without batch_first, "
            "(tokens, batch, width)"
        )
    width = given.shape[-1]
    if given.dim() == 2:
        return (None, width)
    first = attention is None or attention.batch_first
    return (1, None, width) if first else (None, 1, width)


def _embedded_example(
    model: nn.Module, parameters: list[inspect.Parameter], given: Mapping[str, Any],
    name: str, shape: tuple[int | None, ...],
) -> ExampleInputs:  # fmt: skip
    """Arguments of a model without embeddings; masks are left out, every token is attended to."""
    arguments: dict[str, Any] = {name: input_of_shape(shape, _DEFAULT_TOKENS)}
    for parameter in parameters:
        value = given.get(parameter.name)
        if parameter.name == name or value is None or "key_padding" in parameter.name:
            continue
        if _is_tensor(value):
            raise InputError(
                f"example_inputs: argument {parameter.name!r} of {type(model).__name__} beside an "
                "input tensor; leave it out: a sentence has its own length and sees all of itself"
            )
        arguments[parameter.name] = value
    return ExampleInputs(name, arguments, position_limit(model), shape)


def _arguments(
    model: nn.Module,
    parameters: list[inspect.Parameter],
    given: Mapping[str, Any],
    token_ids: str,
    num_tokens: int,
) -> dict[str, Any]:
    """Arguments in the order of the forward; those left out keep their defaults."""
    arguments: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        required = parameter.default is parameter.empty
        if name == token_ids or required or _is_tensor(given.get(name)):
            if kind_of(name, token_ids) is None:
                raise InputError(
                    f"example_inputs: argument {name!r} of {type(model).__name__}: allowed are "
                    "token ids, masks, token types and positions; leave it out"
                )
            arguments[name] = _of_kind(kind_of(name, token_ids), num_tokens)
        elif given.get(name) is not None:
            arguments[name] = given[name]
    return arguments


def _is_tensor(value: Any) -> bool:
    return value is not None and not isinstance(value, (bool, int, float, str))
