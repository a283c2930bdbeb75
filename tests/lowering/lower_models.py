"""Small random models of every kind that is lowered; biases and norms are random too."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AlbertModel,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
)

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.ir.optrace import OpTrace
from edgesim.pipeline.lower import lower_model as lower

VOCABULARY, HIDDEN, FEED_FORWARD, HEADS, LAYERS, LONGEST = 50, 24, 40, 3, 2, 48
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS, "intermediate_size": FEED_FORWARD,
    "max_position_embeddings": LONGEST,
}  # fmt: skip
ALBERT = {"embedding_size": 16}


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in evaluation mode with every parameter drawn anew, none at its neutral start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.2
            parameter.copy_(noise + (1.0 if "orm.weight" in name else 0.0))
    return model.eval()


def bert(**more: object) -> BertConfig:
    return BertConfig(**SIZES, **more)


def albert(**more: object) -> AlbertConfig:
    return AlbertConfig(**SIZES, **ALBERT, **more)


def distilbert(**more: object) -> DistilBertConfig:
    return DistilBertConfig(
        dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS, hidden_dim=FEED_FORWARD,
        vocab_size=VOCABULARY, max_position_embeddings=LONGEST, **more,
    )  # fmt: skip


MODELS: dict[str, Callable[[str], nn.Module]] = {
    "bert": lambda a: BertModel(bert(attn_implementation=a)),
    "bert without pooler": lambda a: BertModel(
        bert(attn_implementation=a), add_pooling_layer=False
    ),
    "bert classifier": lambda a: BertForSequenceClassification(
        bert(attn_implementation=a, num_labels=3)
    ),
    "albert": lambda a: AlbertModel(albert(attn_implementation=a)),
    "albert without pooler": lambda a: AlbertModel(
        albert(attn_implementation=a), add_pooling_layer=False
    ),
    "albert classifier": lambda a: AlbertForSequenceClassification(
        albert(attn_implementation=a)
    ),
    "multi-exit bert, mean": lambda a: MultiExitClassifier(
        BertModel(bert(attn_implementation=a), add_pooling_layer=False), pooling="mean"
    ),
    "multi-exit bert, first": lambda a: MultiExitClassifier(
        BertModel(bert(attn_implementation=a), add_pooling_layer=False), pooling="first"
    ),
    "multi-exit albert, mean": lambda a: MultiExitClassifier(
        AlbertModel(albert(attn_implementation=a), add_pooling_layer=False), pooling="mean"
    ),
    "multi-exit albert, first": lambda a: MultiExitClassifier(
        AlbertModel(albert(attn_implementation=a), add_pooling_layer=False), num_labels=3,
        pooling="first",
    ),
    "distilbert": lambda a: DistilBertModel(distilbert(attn_implementation=a)),
    "distilbert classifier": lambda a: DistilBertForSequenceClassification(
        distilbert(attn_implementation=a, num_labels=3)
    ),
}  # fmt: skip


def build(name: str, attention: str = "sdpa") -> nn.Module:
    """A model of the collection with random weights."""
    torch.manual_seed(0)
    return randomised(MODELS[name](attention))


@cache
def built_and_lowered(name: str, attention: str = "sdpa") -> tuple[nn.Module, OpTrace]:
    """A model of the collection with its trace, made once; not to be changed."""
    model = build(name, attention)
    return model, lower(model)


def sentence(num_tokens: int, seed: int = 1) -> torch.Tensor:
    """Token ids (1, num_tokens)."""
    generator = torch.Generator().manual_seed(seed + num_tokens)
    return torch.randint(0, VOCABULARY, (1, num_tokens), generator=generator)


def outputs(model: nn.Module, ids: torch.Tensor) -> list[torch.Tensor]:
    """Tensors that the module itself returns, in order; ramp logits one by one."""
    with torch.no_grad():
        result = model(input_ids=ids, attention_mask=torch.ones_like(ids))
    if isinstance(result, torch.Tensor):
        return list(result)
    return list(result.to_tuple())
