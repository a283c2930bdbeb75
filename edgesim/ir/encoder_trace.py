"""Traces of BERT-like encoders with off-ramps from their dimensions alone, without PyTorch.

Weights have a shape and a random mask of the wanted density, no values: enough for whatever
follows from sizes, and for published models whose weights are not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class EncoderShape:
    """Dimensions of a BERT-like model."""

    width: int = 64
    heads: int = 4
    head_size: int | None = None
    """Elements of a head; None shares the width among the heads. Fewer heads of the same size are
    what removing heads leaves."""
    hidden: int = 128
    layers: int = 2
    vocabulary: int = 96
    embedding: int | None = None
    """Width of the tables where a product widens them, as in ALBERT."""
    exits: bool = True
    shared: bool = False
    density: float = 1.0
    """Of weights, and of what the next two leave open."""
    table_density: float | None = None
    """Of embedding tables."""
    ramp_density: float | None = None
    """Of off-ramp weights."""
    pooler: bool = False
    """Off-ramps take the first token through a square product and tanh, as BERT's pooler does,
    instead of the mean over tokens."""
    activation: str = "gelu"
    max_tokens: int = 512
    seed: int = 0


ALBERT_BASE = EncoderShape(
    width=768, heads=12, hidden=3072, layers=12, vocabulary=30000, embedding=128, shared=True
)


@dataclass
class _Builder:
    shape: EncoderShape
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
        density = self.wanted_density(tensor_class) if len(dims) == 2 else 1.0
        if density < 1:
            seed = [self.shape.seed, *name.encode()]
            mask = np.random.default_rng(seed).random(dims) < density
            density = float(mask.mean())
            self.masks[name] = np.packbits(mask)
        self.tensors[name] = Tensor(name, tensor_class, tuple(Size(d) for d in dims), None, density)
        return name

    def wanted_density(self, tensor_class: str) -> float:
        """Share of non-zeros that matrices of a class are drawn with."""
        shape = self.shape
        own = {"embedding_weight": shape.table_density, "offramp_weight": shape.ramp_density}
        found = own.get(tensor_class)
        return shape.density if found is None else found

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


def encoder_trace(shape: EncoderShape) -> OpTrace:
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
    heads, size = shape.heads, shape.head_size or shape.width // shape.heads
    inner = heads * size

    def product(part: str, of: str, columns: int) -> MatMul:
        return build.product(f"{at}.{part}", of, columns, f"{shared}.{part}", "encoder_weight")

    q, k, v = (product(part, source, inner) for part in ("q", "k", "v"))
    turned = build.activation(f"{at}.vt", Size(inner), SEQUENCE)
    scores = build.activation(f"{at}.scores.out", Size(heads), SEQUENCE, SEQUENCE)
    masked = build.activation(f"{at}.softmax.out", Size(heads), SEQUENCE, SEQUENCE)
    context = build.rows(f"{at}.context.out", inner)
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
    at, width = f"ramp{index}", build.shape.width
    pooled = build.activation(f"{at}.pool.out", Size(1), Size(width))
    pooling = "first" if build.shape.pooler else "mean"
    ops: list[Op] = [Pool(f"{at}.pool", (source,), pooled, pooling)]
    if build.shape.pooler:
        ops.append(build.product(f"{at}.dense", pooled, width, f"{at}.dense", "offramp_weight"))
        bent = build.activation(f"{at}.tanh.out", Size(1), Size(width))
        ops.append(Activation(f"{at}.tanh", (ops[-1].output,), bent, "tanh"))
    logits = build.product(f"{at}.classify", ops[-1].output, 2, f"{at}.classify", "offramp_weight")
    entropy = build.activation(f"{at}.entropy.out", Size(1), Size(1))
    ops += [
        logits,
        Entropy(f"{at}.entropy", (logits.output,), entropy),
        ExitCheck(f"{at}.check", (entropy,), entropy, index),
    ]
    return tuple(ops)
