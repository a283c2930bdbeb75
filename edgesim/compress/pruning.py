"""Which weights of a matrix stay: by magnitude, by movement scores, among those still allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgesim.compress.attention_span import SPAN, attention_modules


def largest_mask(score: Tensor, num_kept: int, allowed: Tensor | None = None) -> Tensor:
    """True for the `num_kept` largest scores among the allowed elements; of equals the later go in.

    Ties are decided by place, not by the sorting of a library, which differs between processors.
    """
    ranked = score.detach().reshape(-1).numpy()
    if allowed is not None:
        ranked = np.where(allowed.reshape(-1).numpy(), ranked, -np.inf)
        num_kept = min(num_kept, int(allowed.sum()))
    num_zero = ranked.size - num_kept
    mask = np.ones(ranked.size, dtype=bool)
    if num_zero > 0:
        limit = np.partition(ranked, num_zero - 1)[num_zero - 1]
        mask = ranked > limit
        equal = np.flatnonzero(ranked == limit)
        mask[equal[num_zero - int((ranked < limit).sum()) :]] = True
    return torch.from_numpy(mask).reshape(score.shape)


def magnitude_mask(weight: Tensor, zero_fraction: float) -> Tensor:
    """True for the (1 - zero_fraction) largest magnitudes of one tensor."""
    return largest_mask(weight.abs(), weight.numel() - round(zero_fraction * weight.numel()))


def cubic_fraction(progress: float, start: float, end: float, final_fraction: float) -> float:
    """Zero fraction at a share `progress` of the steps (Zhu and Gupta, 2017, equation 1)."""
    if progress <= start:
        return 0.0
    if progress >= end:
        return final_fraction
    return final_fraction * (1 - (1 - (progress - start) / (end - start)) ** 3)


def live_masks(model: nn.Module) -> dict[str, Tensor]:
    """Elements that heads which are on use, for every tensor of an attention with spans.

    Rows of query, key and value with their biases, and columns of the output projection. Tensors
    that are live as a whole are left out.
    """
    live: dict[str, Tensor] = {}
    named = dict(model.named_modules())
    for path, module in attention_modules(model):
        span: Any = getattr(module, SPAN, None)
        if span is None:
            continue
        attention: Any = module
        on = (span.tokens > 0).repeat_interleave(attention.attention_head_size)
        for part in ("query", "key", "value"):
            live[f"{path}.{part}.bias"] = on
            live[f"{path}.{part}.weight"] = on[:, None].expand(-1, attention.query.in_features)
        output = output_projection(path, named)
        live[f"{output}.weight"] = on[None, :].expand(attention.query.in_features, -1)
    return live


def output_projection(path: str, named: dict[str, nn.Module]) -> str:
    """Path of the linear layer that joins the heads of the attention at `path`."""
    if isinstance(getattr(named[path], "dense", None), nn.Linear):
        return f"{path}.dense"
    return f"{path.rpartition('.')[0]}.output.dense"


@torch.no_grad()
def clear_removed_heads(model: nn.Module) -> None:
    """Set to zero what only turned-off heads use; the model's function stays the same."""
    parameters = dict(model.named_parameters())
    for name, live in live_masks(model).items():
        parameters[name].mul_(live)


def encoder_zero_fraction(encoder: nn.Module) -> float:
    """Share of zeros in the matrices of the encoder layers, without those of removed heads."""
    live, zeros, size = live_masks(encoder), 0, 0
    for name, weight in encoder.named_parameters():
        if weight.dim() == 2:
            kept = live.get(name)
            used = weight if kept is None else weight[kept]
            zeros += int((used == 0).sum())
            size += used.numel()
    return zeros / max(size, 1)
