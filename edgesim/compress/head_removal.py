"""Heads that see nothing, taken out of a model: smaller linear layers, the same logits."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.compress.attention import use_edgesim_attention
from edgesim.compress.attention_span import SPAN, HardSpan, attention_modules
from edgesim.compress.pruning import output_projection
from edgesim.errors import InputError


def without_idle_heads(model: nn.Module) -> nn.Module:
    """A copy of a model with whole-token spans, in which no head with span 0 is left.

    The rows of query, key and value and the columns of the output projection go with the head. An
    attention whose heads are all off keeps its first one with span 1 and an output projection of
    zeros, which gives the same.
    """
    smaller = copy.deepcopy(model)
    named = dict(smaller.named_modules())
    for path, module in attention_modules(smaller):
        span = getattr(module, SPAN, None)
        if span is None or bool((span.tokens > 0).all()):
            continue
        on, tokens = span.tokens > 0, span.tokens.clone()
        if not bool(on.any()):
            projection: Any = named[output_projection(path, named)]
            projection.weight.data.zero_()
            on[0], tokens[0] = True, 1
        elements = on.repeat_interleave(getattr(module, "attention_head_size"))  # noqa: B009
        resize_attention(named, path, int(on.sum()), elements)
        setattr(module, SPAN, HardSpan(tokens[on]))
    return smaller


def resize_attention(
    named: dict[str, nn.Module], path: str, num_heads: int, kept: Tensor | None = None
) -> None:
    """Make the attention at `path` one of `num_heads` heads of the same size.

    Its weights are those of the `kept` elements, by default the first ones.
    """
    attention: Any = named[path]
    width = num_heads * attention.attention_head_size
    rows = slice(0, width) if kept is None else kept
    for part in ("query", "key", "value"):
        linear: nn.Linear = getattr(attention, part)
        linear.weight = nn.Parameter(linear.weight.detach()[rows].clone())
        linear.bias = nn.Parameter(linear.bias.detach()[rows].clone())
        linear.out_features = width
    output: Any = named[output_projection(path, named)]
    output.weight = nn.Parameter(output.weight.detach()[:, rows].clone())
    output.in_features = width
    attention.num_attention_heads = num_heads
    attention.all_head_size = width


@torch.no_grad()
def spans_of(model: nn.Module, max_tokens: int) -> list[list[int | None]] | None:
    """Span of every head by attention module, None where it sees every sentence whole.

    None altogether for a model without spans.
    """
    rows: list[list[int | None]] = []
    for _, module in attention_modules(model):
        span = getattr(module, SPAN, None)
        if span is None:
            return None
        rows.append([int(t) if int(t) < max_tokens else None for t in span.tokens])
    return rows


def apply_spans(model: Any, rows: Sequence[Sequence[int | None]], max_tokens: int) -> None:
    """Resize every attention of a fresh model to the heads listed, and give them their spans.

    Raises InputError when the rows do not belong to the model.
    """
    modules, named = attention_modules(model), dict(model.named_modules())
    if len(rows) != len(modules):
        raise InputError(f"spans of {len(rows)} layers for {len(modules)} attention modules")
    for (path, module), row in zip(modules, rows, strict=True):
        present = int(getattr(module, "num_attention_heads"))  # noqa: B009
        if not 1 <= len(row) <= present:
            raise InputError(f"{path}: spans of {len(row)} heads; allowed 1 to {present}")
        resize_attention(named, path, len(row))
        whole = [max_tokens if tokens is None else tokens for tokens in row]
        setattr(module, SPAN, HardSpan(torch.tensor(whole)))
    use_edgesim_attention(model.encoder)
