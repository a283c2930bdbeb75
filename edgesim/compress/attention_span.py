"""Adaptive attention span: one z per head over token distance, learned soft, kept as whole tokens.

The mask of a head at distance x = |i - j| is m(x) = clip((R + z - x) / R, 0, 1), and its attention
m(x) e^s / sum m(x) e^s (Sukhbaatar et al., 2019, with z down to -R so that a head can end off).
A head that sees nothing gives exactly zero. As whole tokens, a head sees x < max(0, ceil(z + R)),
which are the distances where m(x) > 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.errors import InputError

SPAN = "span"
"""Name under which an attention module holds its spans."""


def distances(num_tokens: int) -> Tensor:
    """|i - j| for every pair of tokens, (S, S)."""
    place = torch.arange(num_tokens)
    return (place[:, None] - place[None, :]).abs()


class HardSpan(nn.Module):
    """Whole-token spans of the heads of one attention module: a head sees x < span, 0 is off."""

    tokens: Tensor

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.register_buffer("tokens", tokens.detach().clone().to(torch.int64))

    def mask(self, num_tokens: int) -> Tensor:
        """Whether each pair of tokens is seen, (heads, S, S)."""
        return distances(num_tokens) < self.tokens[:, None, None]


class LearnedSpan(nn.Module):
    """Trainable z of the heads of one attention module; `harden` replaces the ramp by a step."""

    hard: Tensor

    def __init__(self, num_heads: int, ramp: int, max_span: int, initial: float) -> None:
        super().__init__()
        self.ramp, self.max_span = ramp, max_span
        self.z = nn.Parameter(torch.full((num_heads,), float(min(initial, max_span))))
        self.register_buffer("hard", torch.zeros((), dtype=torch.bool))

    @property
    def tokens(self) -> Tensor:
        """The spans as whole tokens, max(0, ceil(z + R)), shape (heads,)."""
        return torch.ceil(self.z.detach() + self.ramp).clamp(min=0).to(torch.int64)

    def mask(self, num_tokens: int) -> Tensor:
        """m(x) of each pair of tokens, (heads, S, S); once hard, whether it is seen."""
        apart = distances(num_tokens)
        if bool(self.hard):
            return apart < self.tokens[:, None, None]
        return ((self.ramp + self.z[:, None, None] - apart) / self.ramp).clamp(0, 1)

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring z back into [-R, S_max]."""
        self.z.clamp_(-self.ramp, self.max_span)

    @torch.no_grad()
    def harden(self) -> None:
        """Keep whole-token spans from now on."""
        self.hard.fill_(True)
        self.z.requires_grad_(False)


Span = HardSpan | LearnedSpan


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """m e^s / sum m e^s over the last axis; rows without a visible element are exactly zero."""
    visible = torch.where(mask > 0, scores, torch.full((), -torch.inf, dtype=scores.dtype))
    top = visible.detach().amax(dim=-1, keepdim=True)
    top = torch.where(torch.isfinite(top), top, torch.zeros((), dtype=scores.dtype))
    raised = torch.exp(torch.clamp(scores - top, max=0)) * mask
    total = raised.sum(dim=-1, keepdim=True)
    return raised / torch.where(total > 0, total, torch.ones((), dtype=scores.dtype))


def attention_modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Path and module of every self-attention in order of use; a shared one appears once."""
    return [
        (path, module)
        for path, module in model.named_modules()
        if all(isinstance(getattr(module, part, None), nn.Linear) for part in ("query", "key"))
    ]


def spans(model: nn.Module) -> list[Span]:
    """The spans of every attention module that has some."""
    held = (getattr(module, SPAN, None) for _, module in attention_modules(model))
    return [span for span in held if isinstance(span, (HardSpan, LearnedSpan))]


def set_spans(model: nn.Module, made: Iterator[Span] | list[Span]) -> None:
    """Give every attention module its spans, in order of `attention_modules`."""
    modules, new = attention_modules(model), list(made)
    if len(modules) != len(new):
        raise InputError(f"spans of {len(new)} layers for {len(modules)} attention modules")
    for (path, module), span in zip(modules, new, strict=True):
        settings: Any = module
        if len(span.tokens) != settings.num_attention_heads:
            raise InputError(
                f"{path}: {len(span.tokens)} spans for {settings.num_attention_heads} heads"
            )
        setattr(module, SPAN, span)


def learn_spans(model: nn.Module, ramp: int, max_span: int, initial: float) -> list[LearnedSpan]:
    """Put trainable spans on every attention module."""
    made = [
        LearnedSpan(int(getattr(module, "num_attention_heads")), ramp, max_span, initial)  # noqa: B009
        for _, module in attention_modules(model)
    ]
    set_spans(model, list[Span](made))
    return made


def fix_spans(model: nn.Module) -> None:
    """Replace learned spans by their whole tokens."""
    held = spans(model)
    if held:
        set_spans(model, [HardSpan(span.tokens) for span in held])


@torch.no_grad()
def turn_heads_off(learned: list[LearnedSpan], share: float, exact: bool) -> None:
    """Set z = -R for the given share of all heads, those of smallest z; a layer keeps one head.

    With `exact`, no other head goes off: their z stays above -R.
    """
    total = round(share * sum(len(span.z) for span in learned))
    order = sorted(
        (float(z) + span.ramp, layer, head)
        for layer, span in enumerate(learned)
        for head, z in enumerate(span.z.tolist())
    )
    left = [len(span.z) for span in learned]
    chosen: set[tuple[int, int]] = set()
    for _, layer, head in order:
        if len(chosen) < total and left[layer] > 1:
            chosen.add((layer, head))
            left[layer] -= 1
    for layer, span in enumerate(learned):
        for head in range(len(span.z)):
            if (layer, head) in chosen:
                span.z[head] = -span.ramp
            elif exact:
                span.z[head].clamp_(min=0.5 - span.ramp)


def span_figures(model: nn.Module, num_tokens: int) -> tuple[float, int]:
    """Mean span in tokens, each at most `num_tokens`, over all heads; and the heads off."""
    held = spans(model)
    if not held:
        return float(num_tokens), 0
    every = torch.cat([span.tokens for span in held])
    return float(every.clamp(max=num_tokens).float().mean()), int((every == 0).sum())
