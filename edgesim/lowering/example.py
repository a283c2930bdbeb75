"""Inputs of an export: one sentence as the caller gave it, and the same cut or continued.

A model without embeddings takes a floating-point tensor instead of token ids, one row per token.
No argument is filled in because of its name: what was not given keeps the forward's default.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.errors import InputError
from edgesim.lowering.given_inputs import DEFAULT_TOKENS, by_name, check_missing, token_rows
from edgesim.lowering.padding import is_first_row, without_padding
from edgesim.lowering.token_axes import continued, counts_up, differs_by_token, packed, token_axes

_SEED = 20_240


@dataclass(frozen=True)
class ExampleInputs:
    """Arguments of the forward by name, for one sentence of `num_tokens` tokens."""

    token_ids: str
    """Name of the argument that holds the token ids, or the input tensor."""
    arguments: Mapping[str, Any]
    num_tokens: int
    max_tokens: int | None
    """From the model's configuration; None if it states no limit."""
    axes: Mapping[str, tuple[int, ...]]
    """Axes that count tokens, of every tensor argument."""
    token_types: str | None = None
    """Argument of whole numbers that differ within the sentence; only embeddings may read it."""
    input_shape: tuple[int | None, ...] | None = None
    """Of the input tensor, None at the tokens; None where there are token ids, (1, S)."""
    made_up: bool = False
    """Whether no tokens were given, so that those here are stand-ins."""

    def at(self, num_tokens: int) -> dict[str, Any]:
        """The arguments for a sentence of another length: cut, or continued at its end.

        An argument that counts up goes on counting; every other repeats its last entry.
        """
        return {
            name: continued(value, self.axes[name], num_tokens) if name in self.axes else value
            for name, value in self.arguments.items()
        }


def example_of(
    arguments: Mapping[str, Any], token_ids: str, limit: int | None,
    axes: Mapping[str, tuple[int, ...]], input_shape: tuple[int | None, ...] | None = None,
    made_up: bool = False,
) -> ExampleInputs:  # fmt: skip
    """Example inputs from arguments of one sentence whose token axes are known.

    Raises InputError where two arguments beside the token ids differ from token to token.
    """
    ids = arguments[token_ids]
    typed = [
        name
        for name, value in arguments.items()
        if name != token_ids and name in axes and differs_by_token(value, axes[name])
    ]
    if len(typed) > 1:
        raise InputError(
            f"example_inputs: {' and '.join(typed)} both differ from token to token; a trace has "
            "one such argument, the token types that an embedding reads; leave the others out or "
            "give one sentence without padding"
        )
    for name, value in arguments.items():
        first = counts_up(value, axes[name]) if name != token_ids and name in axes else None
        if first and limit is not None:
            limit -= first
    return ExampleInputs(
        token_ids, arguments, ids.shape[axes[token_ids][0]], limit, axes,
        typed[0] if typed else None, input_shape, made_up,
    )  # fmt: skip


def position_limit(model: nn.Module) -> int | None:
    """Longest sentence by the configuration of the model or of a module inside it."""
    for module in model.modules():
        limit = getattr(getattr(module, "config", None), "max_position_embeddings", None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


def special_ids(model: nn.Module) -> frozenset[int]:
    """Ids of special tokens by the configurations and embeddings inside a model."""
    ids: set[int] = set()
    for module in model.modules():
        for name, value in vars(getattr(module, "config", None) or object).items():
            if name.endswith("_token_id") and isinstance(value, int):
                ids.add(value)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            ids.add(module.padding_idx)
    return frozenset(ids)


def read_example(model: nn.Module, example_inputs: Any) -> ExampleInputs:
    """Arguments for an export of one sentence from a tensor, tuple, mapping or None.

    Of a batch the first sentence is taken, without its padding. Raises InputError for an argument
    that the forward wants and that was not given.
    """
    parameters = inspect.signature(model.forward).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    if not names:
        raise InputError(
            f"{type(model).__name__}: its forward names no arguments (*args, **kwargs) to give "
            "token ids to; lower the module inside of it, or name input_ids in its forward"
        )
    _check_device(model)
    given = by_name(model, example_inputs, names)
    token_ids = "input_ids" if "input_ids" in names else names[0]
    limit = position_limit(model)
    shape = None if token_ids == "input_ids" else input_shape(model, given.get(token_ids))
    if shape is not None:
        tokens = _input_tensor(given.get(token_ids), shape)
        token_axis, batch_axis = shape.index(None), _batch_axis(shape)
    else:
        tokens, token_axis, batch_axis = token_rows(token_ids, given, limit), 1, 0
    check_missing(model, named, given, token_ids)
    one_row = shape is None and torch.as_tensor(given.get(token_ids, tokens)).dim() == 1
    arguments = _first_rows(given, names, token_ids, tokens, token_axis, batch_axis, one_row)
    if batch_axis == 0:
        _check_batch(model, {**given, token_ids: tokens}, arguments, token_ids)
    length = tokens.shape[token_axis]
    if shape is None and limit is not None and length > limit:
        raise InputError(
            f"example_inputs: {length} tokens; {type(model).__name__} takes at most {limit}"
        )
    axes = {
        name: token_axes(value, length)
        for name, value in arguments.items()
        if name != token_ids and isinstance(value, Tensor)
    }
    axes[token_ids] = (token_axis,)
    arguments = without_padding(model, arguments, axes, token_ids)
    return example_of(
        arguments, token_ids, limit, axes, shape, made_up=given.get(token_ids) is None
    )


def _first_rows(
    given: Mapping[str, Any], names: list[str], token_ids: str, tokens: Tensor, token_axis: int,
    batch_axis: int | None, one_row: bool,
) -> dict[str, Any]:  # fmt: skip
    """Arguments of the first sentence in the forward's order; tensors keep their other axes.

    With `one_row` the token ids came without an axis of sentences, which other arguments of one
    entry per token then lack too.
    """
    batch = 1 if batch_axis is None else tokens.shape[batch_axis]
    length = tokens.shape[token_axis]
    arguments: dict[str, Any] = {}
    for name in names:
        value = tokens if name == token_ids else given.get(name)
        if value is None:
            continue
        if name == token_ids and batch_axis is not None:
            value = value.narrow(batch_axis, 0, 1)
        elif isinstance(value, Tensor) and name != token_ids:
            if one_row and value.shape == (length,):
                value = value.unsqueeze(0)
            if value.dim() > 1 and value.shape[0] == batch:
                value = value[:1]
        arguments[name] = packed(value) if isinstance(value, Tensor) else value
    return arguments


def _check_batch(
    model: nn.Module, given: Mapping[str, Any], arguments: Mapping[str, Any], token_ids: str
) -> None:
    """InputError where a first axis may count sentences or tokens, unless the module tells."""
    batch, *rest = given[token_ids].shape
    unclear = [
        name for name, value in given.items()
        if name != token_ids and isinstance(value, Tensor) and value.shape[:2] == (batch, batch)
    ]  # fmt: skip
    if batch < 2 or rest != [batch] or not unclear:
        return
    whole = {name: value for name, value in given.items() if value is not None}
    if not is_first_row(model, whole, arguments):
        raise InputError(
            f"example_inputs: {', '.join(unclear)} with {batch} sentences of {batch} tokens: the "
            "first axis may count either; give one sentence"
        )


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


def _batch_axis(shape: tuple[int | None, ...]) -> int | None:
    """Axis of the sentences in an input tensor; None where there is none."""
    return None if len(shape) == 2 else 1 - shape.index(None)


def _input_tensor(given: Any, shape: tuple[int | None, ...]) -> Tensor:
    """The input tensor as given; random rows where none was given."""
    if given is not None:
        return torch.as_tensor(given, dtype=torch.float32)
    sizes = [DEFAULT_TOKENS if size is None else size for size in shape]
    return torch.randn(sizes, generator=torch.Generator().manual_seed(_SEED))
