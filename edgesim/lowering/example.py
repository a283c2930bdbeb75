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
from edgesim.lowering.padding import without_padding
from edgesim.lowering.token_axes import continued, counts_up, differs_by_token, packed, token_axes

_DEFAULT_TOKENS = 8
"""Tokens of the default example; the trace does not depend on it."""
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
        raise InputError(f"{type(model).__name__}: its forward names no arguments to give ids to")
    _check_device(model)
    given = _by_name(model, example_inputs, names)
    token_ids = "input_ids" if "input_ids" in names else names[0]
    limit = position_limit(model)
    shape = None if token_ids == "input_ids" else input_shape(model, given.get(token_ids))
    if shape is not None:
        tokens = _input_tensor(given.get(token_ids), shape)
        token_axis, batch_axis = shape.index(None), _batch_axis(shape)
    else:
        tokens, token_axis, batch_axis = _token_rows(token_ids, given, limit), 1, 0
    _check_missing(model, named, given, token_ids)
    arguments = _first_rows(given, names, token_ids, tokens, token_axis, batch_axis)
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
    if isinstance(example_inputs, list) and not any(isinstance(v, Tensor) for v in values):
        values = (example_inputs,)
    if len(values) > len(names):
        raise InputError(
            f"example_inputs: {len(values)} values; {type(model).__name__} takes {len(names)}"
        )
    return dict(zip(names, values, strict=False))


def _check_missing(
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


def _token_rows(name: str, given: Mapping[str, Any], limit: int | None) -> Tensor:
    """Token ids, (batch, S); a made-up sentence where none was given."""
    value = given.get(name)
    if value is None and given:
        raise InputError(
            f"example_inputs: {', '.join(given)} without {name}; give token ids of the same "
            "sentence too"
        )
    if value is None:
        length = min(_DEFAULT_TOKENS, limit or _DEFAULT_TOKENS)
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


def _first_rows(
    given: Mapping[str, Any], names: list[str], token_ids: str, tokens: Tensor, token_axis: int,
    batch_axis: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Arguments of the first sentence in the forward's order; tensors keep their other axes."""
    batch = 1 if batch_axis is None else tokens.shape[batch_axis]
    arguments: dict[str, Any] = {}
    for name in names:
        value = tokens if name == token_ids else _tensor(given.get(name))
        if value is None:
            continue
        if name == token_ids and batch_axis is not None:
            value = value.narrow(batch_axis, 0, 1)
        elif isinstance(value, Tensor) and name != token_ids:
            if value.shape == (tokens.shape[token_axis],) and batch_axis is not None:
                value = value.unsqueeze(0)
            if value.dim() > 1 and value.shape[0] == batch:
                value = value[:1]
        arguments[name] = packed(value) if isinstance(value, Tensor) else value
    return arguments


def _tensor(value: Any) -> Any:
    """Arrays and nested lists of numbers as tensors; everything else as it is."""
    if value is None or isinstance(value, (bool, int, float, str, Tensor)):
        return value
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        return value


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
    sizes = [_DEFAULT_TOKENS if size is None else size for size in shape]
    return torch.randn(sizes, generator=torch.Generator().manual_seed(_SEED))
