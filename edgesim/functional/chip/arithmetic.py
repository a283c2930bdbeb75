"""Ops of a trace on codes, in the sound arithmetic of a chip."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.functional.activations import FUNCTIONS
from edgesim.functional.batch import Batch
from edgesim.functional.chip.operands import Codes, Operands, Rounded, Whole, operands_of
from edgesim.functional.chip.products import accumulate
from edgesim.functional.chip.profile import (
    BETA_IS_GAMMA,
    EXIT_AT_MOST,
    RAW_BYTES,
    WRAPPING_BITS,
    WRAPS,
    Profile,
)
from edgesim.functional.chip.rows import SpecialFunctions, special_functions
from edgesim.functional.heads import side_by_side
from edgesim.functional.visibility import Visible, visible_keys
from edgesim.ir import ops
from edgesim.ir.optrace import OpTrace


@dataclass(frozen=True, eq=False)
class Coded:
    """A tensor of codes with the parameter of its register; the first axis is the sentence."""

    codes: Codes
    parameter: float
    visible: Visible | None = None
    """Scores only: which keys the softmax counts."""

    def like(self, codes: Codes) -> Coded:
        """Other codes under the same register."""
        return Coded(codes, self.parameter)


@dataclass(frozen=True, eq=False)
class Weight:
    """A weight tensor as the array holds it."""

    codes: Codes
    parameter: float
    integers: Whole | None
    """For products; None for tables, whose rows are read as codes."""


Value = Coded | NDArray[np.float64]
"""Codes, or for entropies the words of a register as values in nats."""


@dataclass(frozen=True, eq=False)
class ChipArithmetic:
    """The sound arithmetic over one trace; `counts` tallies what did not fit, by event and op."""

    trace: OpTrace
    profile: Profile
    operands: Operands
    unit: SpecialFunctions
    weights: Mapping[str, Weight]
    read_as_words: frozenset[str] = frozenset()
    """Activations that only the special function unit reads."""
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def fuses(self, function: str) -> bool:
        """Whether an activation takes the accumulators of the product before it."""
        return function in self.profile.on_chip

    def values(self, value: Value) -> NDArray[np.float64]:
        """What a tensor means."""
        if not isinstance(value, Coded):
            return value
        return self.operands.integers(value.codes) * self.operands.unit(value.parameter)

    def leaves(self, entropies: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """Whether sentences with these entropies leave: strictly below the threshold.

        With the defect, at most a threshold that was cut to a word.
        """
        if EXIT_AT_MOST not in self.profile.defects or math.isinf(threshold):
            return np.asarray(entropies < threshold)
        scale = 2.0**self.unit.fraction_bits
        return np.asarray(entropies <= math.floor(threshold * scale) / scale)

    def run(
        self, op: ops.Op, operands: list[Any], batch: Batch, fused: ops.Activation | None = None
    ) -> Value:
        """The output of one op, or of the activation fused behind its accumulators."""
        if isinstance(op, ops.MatMul):
            return self._matmul(op, operands[0], fused)
        execute = _EXECUTE.get(type(op))
        if execute is None:
            raise InputError(f"op {op.name!r} of kind {op.kind!r} has no arithmetic on a chip")
        return execute(self, op, batch, *operands)

    # products ------------------------------------------------------------------------------------

    def _matmul(self, op: ops.MatMul, x: Coded, fused: ops.Activation | None) -> Coded:
        weight = self.weights[op.weight]
        assert weight.integers is not None
        rows = self.operands.integers(x.codes)
        unit = self.operands.unit(x.parameter) * self.operands.unit(weight.parameter)
        sums = self._sums(op, rows.reshape(-1, rows.shape[-1]), weight.integers)
        if op.bias is not None:
            bias = self.weights[op.bias]
            values = self.operands.integers(bias.codes) * self.operands.unit(bias.parameter)
            sums = self._fit(op, sums + np.rint(values / unit))
        sums = sums.reshape(*rows.shape[:-1], -1)
        sums = self._wrapped(op, sums)
        return self._rounded(op, sums, unit) if fused is None else self._bent(fused, sums, unit)

    def _sums(self, op: ops.Op, left: Whole, right: Whole) -> Whole:
        """left·rightᵀ in the accumulators."""
        bits = 52 if WRAPS in self.profile.defects else self.profile.accumulator_bits
        largest = self.operands.largest_integer
        found = accumulate(left, right, bits, self.profile.vector_size, largest)
        self._count("saturated accumulators", op, found.num_saturated)
        return found.totals

    def _fit(self, op: ops.Op, sums: Whole) -> Whole:
        """Sums with their bias, within the accumulator."""
        if WRAPS in self.profile.defects:
            return sums
        highest = 2.0 ** (self.profile.accumulator_bits - 1) - 1
        over = int(((sums > highest) | (sums < -highest - 1)).sum())
        self._count("saturated accumulators", op, over)
        return np.minimum(np.maximum(sums, -highest - 1), highest) if over else sums

    def _wrapped(self, op: ops.Op, sums: Whole) -> Whole:
        """With the defect: sums cut to 16 bits; wrapping once or at every step is the same."""
        if WRAPS not in self.profile.defects:
            return sums
        half = 2 ** (WRAPPING_BITS - 1)
        cut = ((sums.astype(np.int64) + half) & (2 * half - 1)) - half
        self._count("wrapped accumulators", op, int((cut != sums).sum()))
        return np.asarray(cut, dtype=np.float64)

    def _bent(self, op: ops.Activation, sums: Whole, unit: float) -> Coded:
        """Accumulators through an activation to codes."""
        if op.function == "relu":
            return self._rounded(op, np.maximum(sums, 0.0), unit)
        word = np.rint(sums * math.ldexp(unit, self.unit.fraction_bits))
        highest = self.unit.highest_word
        self._count("saturated words", op, int((np.abs(word) > highest).sum()))
        bent = self.unit.activate(op.function, np.clip(word, -highest, highest))
        return self._rounded(op, bent, 2.0**-self.unit.function_bits)

    def scores(self, op: ops.AttentionScores, batch: Batch, query: Coded, key: Coded) -> Coded:
        """Scaled scores by head; the scale is the constant behind the accumulator."""
        left, right = (
            self.operands.integers(x.codes)
            .reshape(*x.codes.shape[:2], op.num_heads, op.head_size)
            .transpose(0, 2, 1, 3)
            for x in (query, key)
        )
        unit = self.operands.unit(query.parameter) * self.operands.unit(key.parameter)
        sums = self._wrapped(op, self._sums(op, left, right))
        found = self._rounded(op, sums, unit * op.scale)
        return Coded(found.codes, found.parameter, visible_keys(op, batch))

    def context(
        self, op: ops.AttentionContext, batch: Batch, shares: Coded, turned: Coded
    ) -> Coded:
        """Weighted values by head, heads side by side."""
        count, _, length = turned.codes.shape
        right = self.operands.integers(turned.codes)
        right = right.reshape(count, op.num_heads, op.head_size, length)
        unit = self.operands.unit(shares.parameter) * self.operands.unit(turned.parameter)
        sums = self._wrapped(op, self._sums(op, self.operands.integers(shares.codes), right))
        return self._rounded(op, side_by_side(op, sums), unit)

    # rows ----------------------------------------------------------------------------------------

    def words(self, op: ops.Op, x: Coded) -> Whole:
        """Codes as words of the special function unit."""
        highest = self.unit.highest_word
        table = self.operands.words(x.parameter, self.unit.fraction_bits, highest)
        ends = np.abs(table) == highest
        if ends.any():
            self._count("saturated words", op, int(np.take(ends, x.codes).sum()))
        return np.take(table, x.codes)

    def softmax(self, op: ops.Softmax, batch: Batch, x: Coded) -> Coded:
        """Softmax over visible keys."""
        shares = self.unit.softmax(self.words(op, x), x.visible, self._read(x))
        return self._rounded(op, shares, 2.0**-self.unit.function_bits)

    def entropy(self, op: ops.Entropy, batch: Batch, logits: Coded) -> NDArray[np.float64]:
        """Entropies in nats, whole words of the status register."""
        word = self.unit.entropy(self.words(op, logits), self._read(logits))
        return np.asarray(word[..., np.newaxis] * 2.0**-self.unit.fraction_bits)

    def _read(self, x: Coded) -> Whole | None:
        """With the defect: pairs of code bytes as words, as many zeros behind each vector's."""
        if RAW_BYTES not in self.profile.defects:
            return None
        size, length = self.profile.vector_size, x.codes.shape[-1]
        lanes = [(0, 0)] * (x.codes.ndim - 1) + [(0, -length % size)]
        cut = np.pad(x.codes, lanes).reshape(*x.codes.shape[:-1], -1, size).astype(np.int64)
        pairs = cut[..., 0::2] | (cut[..., 1::2] << 8)
        pairs = np.where(pairs >= 2**15, pairs - 2**16, pairs)
        both = np.concatenate([pairs, np.zeros_like(pairs)], axis=-1)
        return both.reshape(*x.codes.shape[:-1], -1)[..., :length].astype(np.float64)

    def layer_norm(self, op: ops.LayerNorm, batch: Batch, x: Coded) -> Coded:
        """Layer norm; scaling by gamma and adding beta lose nothing before they are rounded."""
        beta = op.gamma if BETA_IS_GAMMA in self.profile.defects else op.beta
        gamma_values, beta_values = (
            self.operands.integers(weight.codes) * self.operands.unit(weight.parameter)
            for weight in (self.weights[op.gamma], self.weights[beta])
        )
        normal = self.unit.normalise(self.words(op, x), op.epsilon)
        scaled = np.ldexp(normal * gamma_values, -self.unit.function_bits) + beta_values
        return self._encoded(op, scaled)

    def add(self, op: ops.Add, batch: Batch, left: Coded, right: Coded) -> Coded:
        """Sum of words."""
        total = self.words(op, left) + self.words(op, right)
        return self._rounded(op, total, 2.0**-self.unit.fraction_bits)

    def pool(self, op: ops.Pool, batch: Batch, x: Coded) -> Coded:
        """Mean over the rows that are no padding, or the first row."""
        if op.pooling == "first":
            return x.like(x.codes[:, :1])
        mean = self.unit.mean(self.words(op, x), batch.present)
        return self._rounded(op, mean, 2.0**-self.unit.function_bits)

    def activate(self, op: ops.Activation, batch: Batch, x: Coded) -> Coded:
        """An activation that follows no product, or that the chip leaves to its host."""
        if self.fuses(op.function):
            sums, unit = self.operands.integers(x.codes), self.operands.unit(x.parameter)
            return self._bent(op, sums, unit)
        return self._encoded(op, FUNCTIONS[op.function](self.values(x).astype(np.float32)))

    def relayout(self, op: ops.Relayout, batch: Batch, x: Coded) -> Coded:
        """Transpose of each sentence."""
        return x.like(np.ascontiguousarray(np.swapaxes(x.codes, -1, -2)))

    def embedding(self, op: ops.Embedding, batch: Batch) -> Coded:
        """Rows of a table, as they are stored."""
        table = self.weights[op.table]
        rows = np.broadcast_to(batch.rows(op), batch.token_ids.shape)
        return Coded(table.codes[rows], table.parameter)

    def given(self, op: ops.Input, batch: Batch) -> Coded:
        """A tensor from outside."""
        assert batch.given is not None
        return self._encoded(op, batch.given.astype(np.float64))

    # registers -----------------------------------------------------------------------------------

    def _rounded(self, op: ops.Op, sums: Whole, factor: float) -> Coded:
        parameter = self._parameter(op)
        return self._kept(op, self.operands.round(sums, factor, parameter), parameter)

    def _encoded(self, op: ops.Op, values: NDArray[np.floating]) -> Coded:
        parameter = self._parameter(op)
        return self._kept(op, self.operands.encode(values, parameter), parameter)

    def _kept(self, op: ops.Op, found: Rounded, parameter: float) -> Coded:
        self._count("clamped codes", op, found.num_clamped)
        return Coded(found.codes, parameter)

    def _parameter(self, op: ops.Op) -> float:
        """The register of an op's output, from the calibration."""
        largest = self.largest(op.output)
        if largest is None:
            raise InputError(
                f"trace {self.trace.name!r}: tensor {op.output!r} was not calibrated; run "
                "`edgesim calibrate MODEL --sentences FILE.tsv`, or es.calibrate(trace, sentences)"
            )
        return self.operands.parameter_for(largest)

    def largest(self, name: str) -> float | None:
        """Largest magnitude that an activation's register has to reach; None: not calibrated.

        That of the calibration set, but no more than a word where only words are made of it.
        """
        found = self.trace.tensors[name].largest
        if found is None or name not in self.read_as_words:
            return found
        return min(found, self.unit.highest_word * 2.0**-self.unit.fraction_bits)

    def _count(self, event: str, op: ops.Op, count: int) -> None:
        if count:
            self.counts[event, op.name] += count


def chip_arithmetic(trace: OpTrace, profile: Profile) -> ChipArithmetic:
    """The sound arithmetic over a trace with its weights; InputError for one without."""
    if trace.values is None:
        raise InputError(
            f"trace {trace.name!r} holds no weight values; a saved trace keeps masks only, "
            "name the model instead, or lower it again"
        )
    operands = operands_of(profile)
    tables = {op.table for op in trace.all_ops() if isinstance(op, ops.Embedding)}
    products = {op.weight for op in trace.all_ops() if isinstance(op, ops.MatMul)}
    weights = {}
    for name, values in trace.values.items():
        largest = float(np.max(np.abs(values), initial=0.0))
        parameter = operands.parameter_for(largest)
        codes = operands.encode(values, parameter).codes
        integers = operands.integers(codes) if name in products else None
        if name in tables or name in products or values.ndim == 1:
            weights[name] = Weight(codes, parameter, integers)
    unit = special_functions(profile.spec)
    return ChipArithmetic(trace, profile, operands, unit, weights, _read_as_words(trace))


def _read_as_words(trace: OpTrace) -> frozenset[str]:
    """Activations whose readers all turn codes into words."""
    readers: dict[str, list[ops.Op]] = {}
    for op in trace.all_ops():
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    return frozenset(name for name, found in readers.items() if all(op.in_words for op in found))


_EXECUTE: Mapping[type[ops.Op], Callable[..., Value]] = MappingProxyType(
    {
        ops.Input: ChipArithmetic.given,
        ops.Embedding: ChipArithmetic.embedding,
        ops.AttentionScores: ChipArithmetic.scores,
        ops.Softmax: ChipArithmetic.softmax,
        ops.AttentionContext: ChipArithmetic.context,
        ops.LayerNorm: ChipArithmetic.layer_norm,
        ops.Add: ChipArithmetic.add,
        ops.Activation: ChipArithmetic.activate,
        ops.Pool: ChipArithmetic.pool,
        ops.Relayout: ChipArithmetic.relayout,
        ops.Entropy: ChipArithmetic.entropy,
    }
)
