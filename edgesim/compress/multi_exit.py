"""A transformer encoder with an off-ramp after every layer: the model that edgesim trains."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgesim.errors import InputError

POOLINGS = ("mean", "first")


def pool_tokens(hidden: Tensor, attention_mask: Tensor, pooling: str) -> Tensor:
    """One vector per sentence, (batch, hidden), from token states (batch, S, hidden).

    `mean` averages the tokens whose mask is 1; `first` takes the first token.
    """
    if pooling == "first":
        return hidden[:, 0]
    weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


class OffRamp(nn.Module):
    """Pooling and a linear classifier behind one encoder layer."""

    def __init__(self, hidden_size: int, num_labels: int, pooling: str) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise InputError(f"off-ramp pooling {pooling!r}; allowed: {', '.join(POOLINGS)}")
        self.pooling = pooling
        self.classifier = nn.Linear(hidden_size, num_labels)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.classifier(pool_tokens(hidden, attention_mask, self.pooling))
        return logits


class MultiExitClassifier(nn.Module):
    """Encoder of the Hugging Face BERT family plus one off-ramp per layer.

    The forward returns the logits of all ramps, (num_ramps, batch, num_labels): whether a
    sentence leaves early is decided outside the graph.
    """

    def __init__(self, encoder: nn.Module, num_labels: int = 2, pooling: str = "mean") -> None:
        super().__init__()
        config: Any = encoder.config
        self.encoder = encoder
        self.num_labels = num_labels
        self.pooling = pooling
        self.ramps = nn.ModuleList(
            OffRamp(config.hidden_size, num_labels, pooling)
            for _ in range(config.num_hidden_layers)
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Logits of every ramp, (num_ramps, batch, num_labels), in layer order.

        `attention_mask` is 1 for tokens and 0 for padding; None is a sentence without padding.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        return self.ramp_logits(self.states(input_ids, attention_mask), attention_mask)

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Token states behind every layer, each (batch, S, hidden)."""
        output = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        )
        return tuple(output.hidden_states[1:])

    def ramp_logits(self, states: tuple[Tensor, ...], attention_mask: Tensor) -> Tensor:
        """Logits of every ramp from the states behind their layers."""
        return torch.stack(
            [ramp(state, attention_mask) for ramp, state in zip(self.ramps, states, strict=True)]
        )
