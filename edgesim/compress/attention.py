"""The attention function of models with spans or rounded operands, under a transformers name.

transformers looks attention up by name, so that no model class is forked: a module keeps its
spans as `span` and the rounding of its operands as `operands`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

from edgesim.compress.attention_span import SPAN, masked_softmax
from edgesim.errors import InputError

NAME = "edgesim"
OPERANDS = "operands"
"""Name under which an attention module holds the rounding of its operands."""


def edgesim_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Context (batch, S, heads, head size) of self-attention with the module's spans."""
    span, operands = getattr(module, SPAN, None), getattr(module, OPERANDS, None)
    mask = None if span is None else span.mask(query.shape[2])[None]
    soft = mask is not None and mask.dtype != torch.bool
    if not soft and (operands is None or operands.mode == "off"):
        if mask is not None and attention_mask is not None:
            mask = mask & attention_mask
        context = F.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask if mask is None else mask,
            dropout_p=dropout, scale=scaling,
        )  # fmt: skip
        return context.transpose(1, 2).contiguous(), None
    if operands is not None:
        query, key, value = operands("query", query), operands("key", key), operands("value", value)
    factor = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query, key.transpose(2, 3)) * factor
    visible = torch.ones((), dtype=scores.dtype) if mask is None else mask.to(scores.dtype)
    if attention_mask is not None:
        visible = visible * attention_mask
    probabilities = masked_softmax(scores, visible.expand_as(scores))
    if operands is not None:
        probabilities = operands("probabilities", probabilities)
    probabilities = F.dropout(probabilities, dropout, training=module.training)
    return torch.matmul(probabilities, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, edgesim_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)


def use_edgesim_attention(encoder: Any) -> None:
    """Let an encoder of the BERT family attend through `edgesim_attention`.

    Raises InputError for a class that does not look its attention up by name: it would attend
    without spans and without rounding.
    """
    if not getattr(encoder, "_supports_attention_backend", False):
        raise InputError(
            f"{type(encoder).__name__} has its attention built in, and would ignore spans and "
            "rounded operands; take an encoder that transformers lets attend by name, such as "
            f"BertModel of transformers 5 (transformers {transformers.__version__} is installed)"
        )
    encoder.config._attn_implementation = NAME
