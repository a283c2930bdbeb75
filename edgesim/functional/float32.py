"""A trace executed on values, op by op, in float32: proof that a lowered trace is its model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.ir.ops import (
    Activation,
    Add,
    AttentionContext,
    AttentionScores,
    Embedding,
    Entropy,
    ExitCheck,
    Input,
    LayerNorm,
    MatMul,
    Op,
    Pool,
    Relayout,
    Softmax,
)
from edgesim.ir.optrace import OpTrace

Array = NDArray[np.float32]
Values = dict[str, Array]


def _erf(x: Array) -> Array:
    flat = np.fromiter(map(math.erf, x.ravel().tolist()), dtype=np.float32, count=x.size)
    return flat.reshape(x.shape)


def _gelu(x: Array) -> Array:
    return np.float32(0.5) * x * (1 + _erf(x * np.float32(math.sqrt(0.5))))


def _gelu_new(x: Array) -> Array:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)))


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "relu": lambda x: np.maximum(x, np.float32(0)),
        "gelu": _gelu,
        "gelu_new": _gelu_new,
        "tanh": np.tanh,
    }
)


def execute(trace: OpTrace, token_ids: ArrayLike) -> dict[str, Array]:
    """Every activation tensor of a trace by name, for one sentence, all off-ramps included.

    `token_ids` (tokens,) are whole numbers; for a trace without embeddings they are the input
    tensor itself, (tokens, width). `trace.outputs` names those that the module returns. Exit
    checks compare with a threshold that a trace does not know; they yield nothing here.

    Raises InputError for a trace without weight values, for token ids out of range, and for
    attention spans, which are not executed here.
    """
    if trace.values is None:
        raise InputError(
            f"trace {trace.name!r} holds no weight values; a saved trace keeps masks only, "
            "lower the model again"
        )
    values = _given_input(trace, token_ids)
    ids = np.zeros(0, dtype=np.int64) if values else _checked_ids(trace, token_ids)
    for op in trace.all_ops():
        if not isinstance(op, ExitCheck | Input):
            values[op.output] = _execute_op(op, ids, values, trace.values)
    return values


def _given_input(trace: OpTrace, array: ArrayLike) -> Values:
    """The input tensor of a trace that begins with one; empty for a trace with embeddings."""
    op = next((op for op in trace.prologue if isinstance(op, Input)), None)
    if op is None:
        return {}
    given = np.asarray(array, dtype=np.float32)
    wanted = trace.tensors[op.output].dims(len(given) if given.ndim else 1)
    if given.shape != wanted or not 1 <= len(given) <= trace.max_tokens:
        raise InputError(
            f"input of shape {given.shape}; {trace.name!r} has no embeddings and wants "
            f"(tokens, {wanted[-1]}), 1 to {trace.max_tokens} tokens"
        )
    return {op.output: given}


def _checked_ids(trace: OpTrace, token_ids: ArrayLike) -> NDArray[np.int64]:
    ids = np.asarray(token_ids)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(
            f"token_ids of shape {ids.shape} and type {ids.dtype}; allowed is one sentence of "
            "whole numbers, (tokens,)"
        )
    if not 1 <= len(ids) <= trace.max_tokens:
        raise InputError(f"{len(ids)} tokens; allowed 1 to {trace.max_tokens}")
    for op in trace.all_ops():
        if isinstance(op, Embedding) and op.index == "token":
            rows = trace.tensors[op.table].shape[0].fixed
            if ids.min() < 0 or ids.max() >= rows:
                raise InputError(
                    f"token ids from {ids.min()} to {ids.max()}; {op.table} has {rows} rows"
                )
    return ids.astype(np.int64)


def _execute_op(
    op: Op, ids: NDArray[np.int64], values: Values, weights: Mapping[str, Array]
) -> Array:
    if isinstance(op, Embedding):
        rows = {"token": ids, "position": np.arange(len(ids)), "type": np.zeros_like(ids)}
        return np.asarray(weights[op.table][rows[op.index]])
    operands = [values[name] for name in op.inputs]
    if isinstance(op, MatMul):
        product = operands[0] @ weights[op.weight].T
        return np.asarray(product if op.bias is None else product + weights[op.bias])
    if isinstance(op, LayerNorm):
        return _layer_norm(operands[0], weights[op.gamma], weights[op.beta], op.epsilon)
    execute_one = _WITHOUT_WEIGHTS.get(type(op))
    if execute_one is None:
        raise InputError(f"op {op.name!r} of kind {op.kind!r} is not executed in float32")
    return np.asarray(execute_one(op, *operands), dtype=np.float32)


def _layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True, dtype=np.float32)
    variance = np.mean(centred * centred, axis=-1, keepdims=True, dtype=np.float32)
    return np.asarray(centred / np.sqrt(variance + np.float32(epsilon)) * gamma + beta)


def _scores(op: AttentionScores, query: Array, key: Array) -> Array:
    if any(span is not None for span in op.spans):
        raise InputError(f"op {op.name!r}: attention spans are not executed in float32")
    heads = (len(query), op.num_heads, op.head_size)
    by_head = query.reshape(heads).transpose(1, 0, 2)
    return np.asarray(by_head @ key.reshape(heads).transpose(1, 2, 0) * np.float32(op.scale))


def _softmax(op: Softmax, x: Array) -> Array:
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _context(op: AttentionContext, probabilities: Array, transposed: Array) -> Array:
    num_tokens = transposed.shape[1]
    by_head = transposed.reshape(op.num_heads, op.head_size, num_tokens)
    return (probabilities @ by_head.transpose(0, 2, 1)).transpose(1, 0, 2).reshape(num_tokens, -1)


def _pool(op: Pool, x: Array) -> Array:
    return x.mean(axis=0, keepdims=True, dtype=np.float32) if op.pooling == "mean" else x[:1]


def _entropy(op: Entropy, logits: Array) -> Array:
    shifted = logits - logits.max()
    raised = np.exp(shifted)
    total = raised.sum()
    return np.asarray(np.log(total) - (shifted * raised).sum() / total).reshape(1, 1)


_WITHOUT_WEIGHTS: Mapping[type[Op], Callable[..., Any]] = MappingProxyType(
    {
        Add: lambda op, a, b: a + b,
        Activation: lambda op, x: FUNCTIONS[op.function](x),
        AttentionScores: _scores,
        Softmax: _softmax,
        AttentionContext: _context,
        Pool: _pool,
        Relayout: lambda op, x: np.ascontiguousarray(x.T),
        Entropy: _entropy,
    }
)
