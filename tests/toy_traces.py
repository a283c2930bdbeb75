"""BERT-like traces built from IR ops, without torch, and shipped chips with overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.loader import load_chip
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.ops import (
    Activation,
    Add,
    AttentionContext,
    AttentionScores,
    Embedding,
    Entropy,
    ExitCheck,
    LayerNorm,
    MatMul,
    Op,
    Pool,
    Relayout,
    Softmax,
)
from edgesim.ir.optrace import Layer, OpTrace, Tensor
from edgesim.ir.size import SEQUENCE, Size


def toy_chip(
    name: str = "edgebert-n16", overrides: Mapping[str, object] | None = None
) -> AcceleratorSpec:
    """A shipped accelerator with overrides by dotted path."""
    chip = load_chip(name, overrides)
    assert isinstance(chip, AcceleratorSpec)
    return chip


@dataclass(frozen=True)
class BertShape:
    """Dimensions of a BERT-like model."""

    width: int = 64
    heads: int = 4
    hidden: int = 128
    layers: int = 2
    vocabulary: int = 96
    embedding: int | None = None
    """Width of the tables where a product widens them, as in ALBERT."""
    exits: bool = True
    shared: bool = False
    density: float = 1.0
    """Of weights and tables."""
    activation: str = "gelu"
    max_tokens: int = 512
    seed: int = 0


ALBERT_BASE = BertShape(
    width=768, heads=12, hidden=3072, layers=12, vocabulary=30000, embedding=128, shared=True
)


@dataclass
class _Builder:
    shape: BertShape
    tensors: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def activation(self, name: str, *dims: Size) -> str:
        self.tensors[name] = Tensor(name, "activation", dims)
        return name

    def rows(self, name: str, width: int | None = None) -> str:
        return self.activation(name, SEQUENCE, Size(width or self.shape.width))

    def weight(self, name: str, tensor_class: str, *dims: int) -> str:
        if name in self.tensors:
            return name
        density = 1.0
        if len(dims) == 2 and self.shape.density < 1:
            seed = [self.shape.seed, *name.encode()]
            mask = np.random.default_rng(seed).random(dims) < self.shape.density
            density = float(mask.mean())
            self.masks[name] = np.packbits(mask)
        self.tensors[name] = Tensor(name, tensor_class, tuple(Size(d) for d in dims), None, density)
        return name

    def product(self, name: str, source: str, columns: int, weight: str, scope: str) -> MatMul:
        reduction = self.tensors[source].shape[-1].fixed
        w = self.weight(f"{weight}.weight", scope, columns, reduction)
        b = self.weight(f"{weight}.bias", scope, columns)
        dims = (*self.tensors[source].shape[:-1], Size(columns))
        return MatMul(name, (source,), self.activation(f"{name}.out", *dims), w, b)

    def norm(self, name: str, source: str, weight: str) -> LayerNorm:
        gamma = self.weight(f"{weight}.gamma", "encoder_weight", self.shape.width)
        beta = self.weight(f"{weight}.beta", "encoder_weight", self.shape.width)
        return LayerNorm(name, (source,), self.rows(f"{name}.out"), gamma, beta, 1e-12)

    def add(self, name: str, left: str, right: str) -> Add:
        width = self.tensors[left].shape[-1].fixed
        return Add(name, (left, right), self.rows(f"{name}.out", width))


def bert_like(shape: BertShape) -> OpTrace:
    """A trace of the ops that lowering gives for a BERT-like encoder with off-ramps."""
    build = _Builder(shape)
    prologue = _prologue(build)
    layers = []
    current = prologue[-1].output
    for index in range(1, shape.layers + 1):
        ops = _layer(build, index, current)
        current = ops[-1].output
        ramp = _ramp(build, index, current) if shape.exits else ()
        layers.append(Layer(index, ops, ramp))
    return OpTrace(
        "toy", "Toy", prologue, tuple(layers), (), build.tensors, (current,), shape.max_tokens,
        build.masks,
    )  # fmt: skip


def _prologue(build: _Builder) -> tuple[Op, ...]:
    shape = build.shape
    width = shape.embedding or shape.width
    token = build.weight("token", "embedding_weight", shape.vocabulary, width)
    position = build.weight("position", "embedding_weight", shape.max_tokens, width)
    ops: list[Op] = [
        Embedding("embed.token", (), build.rows("embed.token.out", width), token, "token"),
        Embedding("embed.position", (), build.rows("embed.pos.out", width), position, "position"),
        build.add("embed.add", "embed.token.out", "embed.pos.out"),
    ]
    if shape.embedding:
        ops.append(
            build.product("embed.widen", ops[-1].output, shape.width, "widen", "encoder_weight")
        )
    ops.append(build.norm("embed.norm", ops[-1].output, "embed.norm"))
    return tuple(ops)


def _layer(build: _Builder, index: int, source: str) -> tuple[Op, ...]:
    shape = build.shape
    at = f"layer{index}"
    shared = "layer" if shape.shared else at
    heads, size = shape.heads, shape.width // shape.heads

    def product(part: str, of: str, columns: int) -> MatMul:
        return build.product(f"{at}.{part}", of, columns, f"{shared}.{part}", "encoder_weight")

    q, k, v = (product(part, source, shape.width) for part in ("q", "k", "v"))
    turned = build.activation(f"{at}.vt", Size(shape.width), SEQUENCE)
    scores = build.activation(f"{at}.scores.out", Size(heads), SEQUENCE, SEQUENCE)
    masked = build.activation(f"{at}.softmax.out", Size(heads), SEQUENCE, SEQUENCE)
    context = build.rows(f"{at}.context.out")
    attention: tuple[Op, ...] = (
        AttentionScores(
            f"{at}.scores", (q.output, k.output), scores, heads, size, size**-0.5, (None,) * heads
        ),
        Softmax(f"{at}.softmax", (scores,), masked),
        Relayout(f"{at}.turn", (v.output,), turned),
        AttentionContext(f"{at}.context", (masked, turned), context, heads, size),
    )
    mix = product("mix", context, shape.width)
    add1 = build.add(f"{at}.add1", source, mix.output)
    norm1 = build.norm(f"{at}.norm1", add1.output, f"{shared}.norm1")
    up = product("up", norm1.output, shape.hidden)
    bent = build.rows(f"{at}.bend.out", shape.hidden)
    bend = Activation(f"{at}.bend", (up.output,), bent, shape.activation)
    down = product("down", bent, shape.width)
    add2 = build.add(f"{at}.add2", norm1.output, down.output)
    norm2 = build.norm(f"{at}.norm2", add2.output, f"{shared}.norm2")
    return (q, k, v, *attention, mix, add1, norm1, up, bend, down, add2, norm2)


def _ramp(build: _Builder, index: int, source: str) -> tuple[Op, ...]:
    at = f"ramp{index}"
    pooled = build.activation(f"{at}.pool.out", Size(1), Size(build.shape.width))
    logits = build.product(f"{at}.classify", pooled, 2, f"{at}.classify", "offramp_weight")
    entropy = build.activation(f"{at}.entropy.out", Size(1), Size(1))
    return (
        Pool(f"{at}.pool", (source,), pooled, "mean"),
        logits,
        Entropy(f"{at}.entropy", (logits.output,), entropy),
        ExitCheck(f"{at}.check", (entropy,), entropy, index),
    )
