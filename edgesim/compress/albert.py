"""An ALBERT student made from a BERT model: factorised embedding, one layer applied many times.

Sharing follows ALBERT (Lan et al., 2020): all of a layer, only its feed-forward network, or only
its attention. Parameters are shared as modules of transformers' own `AlbertModel`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.steps import Albert
from edgesim.errors import InputError

PARTS = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.dense": "attention.output.dense",
    "attention.LayerNorm": "attention.output.LayerNorm",
    "ffn": "intermediate.dense",
    "ffn_output": "output.dense",
    "full_layer_layer_norm": "output.LayerNorm",
}
"""Module of an ALBERT layer to the one of a BERT layer that does the same."""
SHARED = {
    "ffn": ("ffn", "ffn_output", "full_layer_layer_norm"),
    "attention": ("attention",),
    "all": (),
    "none": (),
}
"""Modules that all layers of partial sharing have in common; `all` is one layer altogether."""
RIDGE = 1e-3
"""Of the mean square of an embedding's dimension."""


def empty_albert(bert: Any, settings: Albert) -> Any:
    """An `AlbertModel` of the sizes of a BERT configuration, sharing as asked, weights random."""
    from transformers import AlbertConfig, AlbertModel

    if bert.model_type != "bert":
        raise InputError(f"albert: an ALBERT is made from a BERT, not from a {bert.model_type}")
    config = AlbertConfig(
        vocab_size=bert.vocab_size, embedding_size=settings.embedding_size,
        hidden_size=bert.hidden_size, num_hidden_layers=settings.applications,
        num_hidden_groups=1 if settings.sharing == "all" else settings.applications,
        num_attention_heads=bert.num_attention_heads, intermediate_size=bert.intermediate_size,
        hidden_act=bert.hidden_act, hidden_dropout_prob=bert.hidden_dropout_prob,
        attention_probs_dropout_prob=bert.attention_probs_dropout_prob,
        max_position_embeddings=bert.max_position_embeddings,
        type_vocab_size=bert.type_vocab_size, layer_norm_eps=bert.layer_norm_eps,
        pad_token_id=bert.pad_token_id, inner_group_num=1,
    )  # fmt: skip
    config._attn_implementation = "sdpa"
    with torch.random.fork_rng(devices=[]):
        encoder = AlbertModel(config, add_pooling_layer=False)
    share_parts(encoder, settings.sharing)
    return encoder


def layers(encoder: Any) -> list[Any]:
    """The layer modules of an ALBERT encoder, each once."""
    return [group.albert_layers[0] for group in encoder.encoder.albert_layer_groups]


def share_parts(encoder: Any, sharing: str) -> None:
    """Let every layer use the first one's modules for the parts that are shared."""
    first, *others = layers(encoder)
    for layer in others:
        for part in SHARED[sharing]:
            setattr(layer, part, getattr(first, part))


def as_albert(model: MultiExitClassifier, settings: Albert) -> MultiExitClassifier:
    """An ALBERT initialised from a multi-exit BERT.

    Application k takes the weights of the BERT layer at the same relative depth; a part that all
    share takes those of layer `init_layer`. The ramp behind it is that layer's too. Embeddings are
    the best factorisation of the BERT's tables (SVD), and the map to the hidden width is fitted to
    what the BERT's embedding gives for every token at the first position.

    One layer over and over draws all states to its fixed point and leaves nothing to learn from.
    Where all of a layer is shared, every application therefore begins with `1 / applications` of
    its update, and the part of the embedding that all tokens have in common is left out.
    """
    bert: Any = model.encoder
    encoder = empty_albert(bert.config, settings)
    count = len(bert.encoder.layer)
    if not 1 <= settings.init_layer <= count:
        raise InputError(f"albert: init_layer {settings.init_layer}; allowed 1 to {count}")
    own = [
        bert.encoder.layer[k * count // settings.applications] for k in range(len(layers(encoder)))
    ]
    common = bert.encoder.layer[settings.init_layer - 1]
    for layer, source in zip(layers(encoder), own, strict=True):
        for mine, theirs in PARTS.items():
            part = mine.partition(".")[0]
            shared = settings.sharing == "all" or part in SHARED[settings.sharing]
            copied = (common if shared else source).get_submodule(theirs)
            layer.get_submodule(mine).load_state_dict(copied.state_dict())
    repeats = settings.sharing == "all"
    if repeats:
        _attenuate(layers(encoder)[0], settings.applications)
    _factorise(bert.embeddings, encoder, centred=repeats)
    student = MultiExitClassifier(encoder, model.num_labels, model.pooling)
    for k, ramp in enumerate(student.ramps):
        ramp.load_state_dict(model.ramps[k * count // settings.applications].state_dict())
    encoder.embeddings.requires_grad_(False)
    return student.eval()


@torch.no_grad()
def _attenuate(layer: Any, applications: int) -> None:
    """Divide what a layer adds to its input, of attention and of the feed-forward network."""
    for linear in (layer.attention.dense, layer.ffn_output):
        linear.weight.div_(applications)
        linear.bias.div_(applications)


@torch.no_grad()
def _factorise(tables: Any, encoder: Any, centred: bool) -> None:
    """Tables of the embedding width and the map to the hidden width, from BERT's tables.

    `centred` takes the mean over all tokens out of what the map gives.
    """
    embeddings = encoder.embeddings
    width = embeddings.word_embeddings.embedding_dim
    word = tables.word_embeddings.weight
    values, vectors = torch.linalg.eigh((word.T @ word).double())
    basis = vectors[:, values.argsort(descending=True)[:width]].float()
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        getattr(embeddings, name).weight.copy_(getattr(tables, name).weight @ basis)
    wanted = tables.LayerNorm(
        word + tables.position_embeddings.weight[0] + tables.token_type_embeddings.weight[0]
    )
    narrow = embeddings.LayerNorm(
        embeddings.word_embeddings.weight
        + embeddings.position_embeddings.weight[0]
        + embeddings.token_type_embeddings.weight[0]
    )
    if centred:
        wanted = wanted - wanted.mean(dim=0)
    _fit_linear(encoder.encoder.embedding_hidden_mapping_in, narrow, wanted)


def _fit_linear(linear: nn.Linear, given: Tensor, wanted: Tensor) -> None:
    """Ridge regression of the rows' deviations from their mean.

    Rows behind a layer norm are linearly dependent: without the ridge the weights have no bound.
    """
    mean = given.double().mean(dim=0)
    middle = wanted.double().mean(dim=0)
    rows, targets = given.double() - mean, wanted.double() - middle
    gram = rows.T @ rows
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    solution = torch.linalg.solve(gram, rows.T @ targets)
    linear.weight.copy_(solution.T)
    linear.bias.copy_(middle - mean @ solution)
