"""A toy recipe and toy models that train in a second on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import AlbertConfig, AutoModel, BertConfig

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.numerics import AdaptivFloat

SIZES = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
         "intermediate_size": 48, "max_position_embeddings": 40}  # fmt: skip


def toy_model(
    family: str = "bert", pooling: str = "mean", num_labels: int = 2
) -> MultiExitClassifier:
    """A random three-layer multi-exit model; the same weights on every call."""
    config = BertConfig(**SIZES) if family == "bert" else AlbertConfig(**SIZES, embedding_size=16)
    torch.manual_seed(5)
    encoder = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation="sdpa")
    model = MultiExitClassifier(encoder, num_labels, pooling)
    encoder.embeddings.requires_grad_(False)
    return model.eval()


def rounded(model: MultiExitClassifier) -> MultiExitClassifier:
    """The model with half of each matrix zero and every weight in AdaptivFloat<8,3>."""
    number_format = AdaptivFloat(8, 3)
    for parameter in model.parameters():
        values = parameter.detach().numpy().copy()
        if values.ndim == 2:
            values[np.abs(values) < np.median(np.abs(values))] = 0
        parameter.data = torch.from_numpy(number_format.quantize(values))
    return model


def toy_recipe() -> dict[str, Any]:
    """A two-stage recipe in the form of the shipped one."""
    stage = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3}
    return {
        "name": "toy",
        "base": {"hf_id": "toy/base", "sha256": "0" * 64},
        "task": {"name": "toy", "num_labels": 2, "max_tokens": 32, "num_selection": 8},
        "pooling": "mean",
        "seed": 3,
        "stages": [
            {"name": "dense", **stage},
            {
                "name": "compressed", **stage,
                "embeddings": {"prune_fraction": 0.6},
                "prune": {"method": "magnitude", "final_fraction": 0.5, "start": 0.1, "end": 0.6},
                "quantise": {"weights": "adaptivfloat<8,3>", "start": 0.65},
                "distil": {"teacher": "dense", "weight": 0.7, "temperature": 2.0},
            },
        ],
    }  # fmt: skip
