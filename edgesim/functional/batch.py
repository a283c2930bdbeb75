"""Sentences as a batch: token ids of one padded length, and how many of them are words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.ops import Embedding, Input
from edgesim.ir.optrace import OpTrace

MOST_ROWS = 2048
"""Tokens of a batch, padding included; bounds the memory of one execution."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sentences of one padded length, executed together; none sees another."""

    token_ids: NDArray[np.int64]
    """(sentences, length); padding holds id 0."""
    num_tokens: NDArray[np.int64]
    """(sentences,); tokens behind are padding, which no maximum, sum or mean takes in."""
    given: NDArray[np.float32] | None = None
    """For a trace without embeddings its input, (sentences, length, width)."""
    token_types: NDArray[np.int64] | None = None
    """(sentences, length); None is type 0 throughout."""

    @property
    def is_padded(self) -> bool:
        """Whether any sentence holds padding."""
        return bool((self.num_tokens < self.token_ids.shape[1]).any())

    def rows(self, op: Embedding) -> NDArray[np.int64]:
        """Rows of its table that an embedding reads: (sentences, length), or (length,) for all."""
        if op.index == "token":
            return self.token_ids
        if op.index == "type" and self.token_types is not None:
            return self.token_types
        place = np.arange(self.token_ids.shape[1], dtype=np.int64)
        return place if op.index == "position" else np.zeros_like(place)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which tokens are no padding, (sentences, length)."""
        return np.arange(self.token_ids.shape[1]) < self.num_tokens[:, np.newaxis]


def batches(
    trace: OpTrace, sentences: Sequence[Any], pad_to: int | None = None,
    token_types: Sequence[Any] | None = None,
) -> Iterator[tuple[NDArray[np.int64], Batch]]:  # fmt: skip
    """Rows of `sentences` and their batch: sentences of one length, at most MOST_ROWS tokens.

    A sentence is a sequence of token ids, or for a trace without embeddings its input (tokens,
    width). With `pad_to` all are padded to that length. `token_types` holds one row for every
    sentence; None is type 0 throughout.
    """
    types = None if token_types is None else _checked_types(trace, sentences, token_types)
    checked = [_checked(trace, sentence, number) for number, sentence in enumerate(sentences, 1)]
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, sentence in enumerate(checked):
        if pad_to is not None and len(sentence) > pad_to:
            raise InputError(f"sentence {row + 1} has {len(sentence)} tokens; pad_to is {pad_to}")
        rows_of[pad_to or len(sentence)].append(row)
    for length in sorted(rows_of):
        rows = np.array(rows_of[length], dtype=np.int64)
        for part in np.array_split(rows, -(-len(rows) * length // MOST_ROWS)):
            if len(part):
                batch = _batch([checked[row] for row in part], length)
                if types is not None:
                    typed = _batch([types[row] for row in part], length).token_ids
                    batch = replace(batch, token_types=typed)
                yield part, batch


def _batch(sentences: list[NDArray[Any]], length: int) -> Batch:
    counts = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    padded = np.stack(
        [
            np.pad(sentence, [(0, length - len(sentence))] + [(0, 0)] * (sentence.ndim - 1))
            for sentence in sentences
        ]
    )
    if padded.ndim == 2:
        return Batch(padded, counts)
    return Batch(np.zeros(padded.shape[:2], dtype=np.int64), counts, padded)


def _checked(trace: OpTrace, sentence: Any, number: int) -> NDArray[Any]:
    op = next((op for op in trace.prologue if isinstance(op, Input)), None)
    if op is not None:
        return _checked_input(trace, op, sentence)
    ids = np.asarray(sentence)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(
            f"token_ids of shape {ids.shape} and type {ids.dtype}; allowed is one sentence of "
            "whole numbers, (tokens,)"
        )
    if not 1 <= len(ids) <= trace.max_tokens:
        raise InputError(f"sentence {number}: {len(ids)} tokens; allowed 1 to {trace.max_tokens}")
    for table in trace.all_ops():
        if isinstance(table, Embedding) and table.index == "token":
            rows = trace.tensors[table.table].shape[0].fixed
            if ids.min() < 0 or ids.max() >= rows:
                raise InputError(
                    f"sentence {number}: token ids from {ids.min()} to {ids.max()}; "
                    f"{table.table} has {rows} rows"
                )
    return ids.astype(np.int64)


def _checked_input(trace: OpTrace, op: Input, array: Any) -> NDArray[np.float32]:
    given = np.asarray(array, dtype=np.float32)
    wanted = trace.tensors[op.output].dims(len(given) if given.ndim else 1)
    if given.shape != wanted or not 1 <= len(given) <= trace.max_tokens:
        raise InputError(
            f"input of shape {given.shape}; {trace.name!r} has no embeddings and wants "
            f"(tokens, {wanted[-1]}), 1 to {trace.max_tokens} tokens"
        )
    if not np.isfinite(given).all():
        raise InputError(f"input of {trace.name!r} holds NaN or infinite values")
    return given


def _checked_types(
    trace: OpTrace, sentences: Sequence[Any], token_types: Sequence[Any]
) -> list[NDArray[np.int64]]:
    """Token types of every sentence; InputError where they do not fit it or their table."""
    tables = [op for op in trace.all_ops() if isinstance(op, Embedding) and op.index == "type"]
    limit = min((trace.tensors[op.table].shape[0].fixed for op in tables), default=0)
    checked = []
    for number, (sentence, given) in enumerate(zip(sentences, token_types, strict=True), 1):
        types = np.asarray(given)
        if types.shape != np.shape(sentence)[:1] or not np.issubdtype(types.dtype, np.integer):
            raise InputError(
                f"sentence {number}: token_types of shape {types.shape} and type {types.dtype}; "
                f"wanted is one whole number per token, {np.shape(sentence)[:1]}"
            )
        if types.min() < 0 or types.max() >= max(limit, 1):
            raise InputError(
                f"sentence {number}: token types from {types.min()} to {types.max()}; "
                f"trace {trace.name!r} has {limit or 'none'}"
            )
        checked.append(types.astype(np.int64))
    return checked
