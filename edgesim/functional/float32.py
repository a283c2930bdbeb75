"""Ops of a trace on float32 values: proof that a lowered trace is its model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.functional.activations import FUNCTIONS
from edgesim.functional.batch import Batch, batches
from edgesim.functional.execution import execute_batch
from edgesim.functional.heads import side_by_side
from edgesim.functional.visibility import visible_keys
from edgesim.ir import ops
from edgesim.ir.optrace import OpTrace

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scaled scores with the keys that the softmax counts; None: all."""

    values: Array
    visible: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Float32Arithmetic:
    """Values and weights in float32.

    Sums of products, softmaxes, norms and means are taken in float64 and rounded once, so that
    their order, which changes with the number of rows, does not show. With `sums` float32 the
    products and softmaxes are twice as fast.
    """

    trace: OpTrace
    weights: Mapping[str, Array]
    sums: type[np.floating] = np.float64
    """Type of the sums of products and of softmaxes."""

    def fuses(self, function: str) -> bool:
        """Nothing is fused."""
        return False

    def values(self, value: Any) -> Array:
        """What a tensor means."""
        found: Array = value.values if isinstance(value, Scores) else value
        return found

    def leaves(self, entropies: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """Whether sentences with these entropies leave: strictly below the threshold."""
        return np.asarray(entropies < threshold)

    def run(
        self, op: ops.Op, operands: list[Any], batch: Batch, fused: ops.Activation | None = None
    ) -> Any:
        """The output of one op."""
        execute = _EXECUTE.get(type(op))
        if execute is None:
            raise InputError(f"op {op.name!r} of kind {op.kind!r} is not executed in float32")
        out = execute(self, op, batch, *operands)
        return out if isinstance(out, Scores) else np.asarray(out, dtype=np.float32)

    def embedding(self, op: ops.Embedding, batch: Batch) -> Array:
        """Rows of a table."""
        return self.weights[op.table][batch.rows(op)]

    def embedded(self, op: ops.Embedding, batch: Batch) -> Array:
        """Rows of a table for every sentence."""
        rows = self.embedding(op, batch)
        return np.broadcast_to(rows, (*batch.token_ids.shape, rows.shape[-1]))

    def given(self, op: ops.Input, batch: Batch) -> Array:
        """A tensor from outside."""
        assert batch.given is not None
        return batch.given

    def matmul(self, op: ops.MatMul, batch: Batch, x: Array) -> NDArray[np.floating]:
        """x · Wᵀ + b."""
        rows = x.reshape(-1, x.shape[-1]).astype(self.sums, copy=False)
        product = rows @ self.weights[op.weight].astype(self.sums, copy=False).T
        if op.bias is not None:
            product += self.weights[op.bias]
        return product.reshape(*x.shape[:-1], -1)

    def layer_norm(self, op: ops.LayerNorm, batch: Batch, x: Array) -> NDArray[np.float64]:
        """Centred, divided by the standard deviation, scaled and shifted."""
        centred = x - x.mean(axis=-1, keepdims=True, dtype=np.float64)
        variance = np.mean(centred * centred, axis=-1, keepdims=True)
        normal = centred / np.sqrt(variance + op.epsilon)
        return np.asarray(normal * self.weights[op.gamma] + self.weights[op.beta])

    def scores(self, op: ops.AttentionScores, batch: Batch, query: Array, key: Array) -> Scores:
        """Scaled products by head."""
        left, right = (
            x.reshape(*x.shape[:2], op.num_heads, op.head_size)
            .transpose(0, 2, 1, 3)
            .astype(self.sums, copy=False)
            for x in (query, key)
        )
        scaled = left @ right.swapaxes(-1, -2) * self.sums(op.scale)
        return Scores(scaled.astype(np.float32, copy=False), visible_keys(op, batch))

    def softmax(self, op: ops.Softmax, batch: Batch, x: Scores | Array) -> NDArray[np.floating]:
        """Softmax over visible keys; a row that sees nothing is 0."""
        values = self.values(x).astype(self.sums, copy=False)
        visible = x.visible if isinstance(x, Scores) else None
        if visible is not None:
            values = np.where(visible, values, -np.inf)
        largest = values.max(axis=-1, keepdims=True)
        raised = np.exp(values - np.where(np.isfinite(largest), largest, self.sums(0)))
        total = raised.sum(axis=-1, keepdims=True)
        return np.asarray(raised / np.where(total > 0, total, self.sums(1)))

    def context(
        self, op: ops.AttentionContext, batch: Batch, shares: Array, turned: Array
    ) -> NDArray[np.floating]:
        """Weighted values by head, heads side by side."""
        count, _, length = turned.shape
        by_head = turned.reshape(count, op.num_heads, op.head_size, length)
        by_head = by_head.astype(self.sums, copy=False)
        product = shares.astype(self.sums, copy=False) @ by_head.swapaxes(-1, -2)
        return np.asarray(side_by_side(op, product))

    def pool(self, op: ops.Pool, batch: Batch, x: Array) -> NDArray[np.floating]:
        """Mean over the rows that are no padding, or the first row."""
        if op.pooling == "first":
            return x[:, :1]
        present = batch.present[..., np.newaxis]
        total = np.where(present, x, 0).sum(axis=1, keepdims=True, dtype=np.float64)
        return np.asarray(total / batch.num_tokens[:, np.newaxis, np.newaxis])

    def entropy(self, op: ops.Entropy, batch: Batch, logits: Array) -> NDArray[np.float64]:
        """Entropy of softmax over the last axis, from 0 up, which is kept."""
        shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
        raised = np.exp(shifted)
        total = raised.sum(axis=-1, keepdims=True)
        mean = (shifted * raised).sum(axis=-1, keepdims=True) / total
        return np.asarray(np.maximum(np.log(total) - mean, 0.0))


_EXECUTE: Mapping[type[ops.Op], Callable[..., Any]] = MappingProxyType(
    {
        ops.Input: Float32Arithmetic.given,
        ops.Embedding: Float32Arithmetic.embedded,
        ops.MatMul: Float32Arithmetic.matmul,
        ops.AttentionScores: Float32Arithmetic.scores,
        ops.Softmax: Float32Arithmetic.softmax,
        ops.AttentionContext: Float32Arithmetic.context,
        ops.LayerNorm: Float32Arithmetic.layer_norm,
        ops.Add: lambda arithmetic, op, batch, a, b: a + b,
        ops.Activation: lambda arithmetic, op, batch, x: FUNCTIONS[op.function](x),
        ops.Pool: Float32Arithmetic.pool,
        ops.Relayout: lambda arithmetic, op, batch, x: np.ascontiguousarray(x.swapaxes(-1, -2)),
        ops.Entropy: Float32Arithmetic.entropy,
    }
)


def float32_arithmetic(trace: OpTrace) -> Float32Arithmetic:
    """Float32 over a trace with its weights; InputError for one without."""
    if trace.values is None:
        raise InputError(
            f"trace {trace.name!r} holds no weight values; a saved trace keeps masks only, "
            "name the model instead, or lower it again"
        )
    return Float32Arithmetic(trace, trace.values)


def execute(
    trace: OpTrace, token_ids: ArrayLike, token_types: ArrayLike | None = None, *,
    keep: Collection[str] | None = None, sums: type[np.floating] = np.float64,
) -> dict[str, Array]:  # fmt: skip
    """Activation tensors of a trace by name, for one sentence, all off-ramps included.

    `token_ids` (tokens,) are whole numbers; for a trace without embeddings they are the input
    tensor itself, (tokens, width). `token_types` (tokens,) are 0 if None. `keep` names the tensors
    that are returned, all of them if None; `trace.outputs` are those of the module. Exit checks
    compare with a threshold that a trace does not know; they yield nothing here. `sums` is the
    type in which products are summed.

    Raises InputError for a trace without weight values and for ids or types out of range.
    """
    arithmetic = replace(float32_arithmetic(trace), sums=sums)
    values: dict[str, Array] = {}

    def observe(op: ops.Op, value: Any) -> None:
        if keep is None or op.output in keep:
            values[op.output] = arithmetic.values(value)[0]

    types = None if token_types is None else [token_types]
    for _, batch in batches(trace, [token_ids], token_types=types):
        execute_batch(trace, batch, arithmetic, observe)
    return values
