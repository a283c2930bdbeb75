"""A trace in the released EdgeBERT arithmetic, defects included: `edgebert-hls-as-released`.

Ops that the released hardware has run through `functional.hls`, bit for bit. A driver's choices
are those of the sound profile where the hardware leaves any: operand registers by Algorithm 1,
clamped to their 3 bits; the accumulator's shift so that its 16 bits reach the output's top binade;
biases of columns as one more reduction column; a scale that is no power of two folded into the
query's weights. Softmax and layer norm write under the register that they read with. What the
hardware lacks (embedding, GELU, tanh, pooling) is the host's, in float32. Softmax takes rows one
by one; what several rows in one operation would read (`hls.read_by_softmax`) is not applied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.functional import hls
from edgesim.functional.activations import FUNCTIONS
from edgesim.functional.batch import Batch
from edgesim.functional.heads import side_by_side
from edgesim.functional.hls import array, codes, words
from edgesim.ir import ops
from edgesim.ir.optrace import OpTrace
from edgesim.numerics import AdaptivFloat

FORMAT = AdaptivFloat(8, 3, bias_range=(codes.EXPONENT_OFFSET, codes.EXPONENT_OFFSET + 7))
UNIT_SCALE = 1 << words.NUM_FRACTION_BITS
ONE_REGISTER, ONE_CODE = 3, 0x70
"""1.0 under the register whose top binade begins there; for span masks."""
FULL_RANGE_BIAS = 5
"""Write-back register at which a 16-bit accumulator reaches the top binade of its code."""


@dataclass(frozen=True, eq=False)
class Released:
    """Codes with their register, 0 … 7; the first axis is the sentence."""

    codes: NDArray[np.uint8]
    register: int
    keys: NDArray[np.bool_] | None = None
    """Scores only: keys that the span mask lets through, (sentences, 1, 1, keys); None: all."""


@dataclass(frozen=True, eq=False)
class ReleasedArithmetic:
    """The released datapath over one trace; `operands` caches weights as the multipliers see
    them."""

    trace: OpTrace
    weights: Mapping[str, NDArray[np.float32]]
    operands: dict[str, tuple[NDArray[np.float64], int]] = field(default_factory=dict)

    def fuses(self, function: str) -> bool:
        """Only ReLU lies behind the accumulators."""
        return function == "relu"

    def values(self, value: Any) -> NDArray[np.float64]:
        """What a tensor means."""
        if not isinstance(value, Released):
            return np.asarray(value)
        return hls.decode(value.codes, value.register)

    def leaves(self, entropies: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """Whether sentences leave: at most the threshold, cut to a Q6.10 word."""
        if math.isinf(threshold):
            return np.ones(entropies.shape, dtype=np.bool_)
        return np.asarray(entropies <= math.floor(threshold * UNIT_SCALE) / UNIT_SCALE)

    def run(
        self, op: ops.Op, operands: list[Any], batch: Batch, fused: ops.Activation | None = None
    ) -> Any:
        """The output of one op, or of the ReLU fused behind its accumulators."""
        if isinstance(op, ops.MatMul):
            return self.matmul(op, operands[0], fused)
        execute = _EXECUTE.get(type(op))
        if execute is None:
            raise InputError(f"op {op.name!r} of kind {op.kind!r} has no released arithmetic")
        return execute(self, op, batch, *operands)

    def register(self, name: str) -> int:
        """The bias register of an activation, from the calibration."""
        largest = self.trace.tensors[name].largest
        if largest is None:
            raise InputError(
                f"trace {self.trace.name!r}: tensor {name!r} was not calibrated; run "
                "`edgesim calibrate MODEL --sentences FILE.tsv`, or es.calibrate(trace, sentences)"
            )
        return FORMAT.bias_for(largest) - codes.EXPONENT_OFFSET

    def encoded(self, values: NDArray[Any], register: int) -> Released:
        """Codes as the host's software writes them: Algorithm 1."""
        return Released(FORMAT.encode(values, register + codes.EXPONENT_OFFSET), register)

    # the array -----------------------------------------------------------------------------------

    def matmul(self, op: ops.MatMul, x: Released, fused: ops.Activation | None) -> Released:
        """A product; the bias is one more column, a power of two against bias / power."""
        weight, register = self._operand(op, x.register)
        left = _integers(x.codes)
        if op.bias is not None:
            one = codes.operands(np.array([_one_code(x.register)])).astype(np.float64)
            left = np.concatenate([left, np.broadcast_to(one, (*left.shape[:-1], 1))], axis=-1)
        flat = left.reshape(-1, left.shape[-1])
        sums = _wrapped(flat @ weight.T).reshape(*left.shape[:-1], -1)
        out = op if fused is None else fused
        return self._write_back(out, sums, x.register + register, 0, fused is not None)

    def _operand(self, op: ops.MatMul, left_register: int) -> tuple[NDArray[np.float64], int]:
        key = f"{op.weight}:{op.bias}:{left_register}"
        if key not in self.operands:
            values = self.weights[op.weight]
            register = FORMAT.bias_for(values) - codes.EXPONENT_OFFSET
            if op.bias is not None:
                one = float(hls.decode(_one_code(left_register), left_register))
                column = self.weights[op.bias][:, np.newaxis] / one
                values = np.concatenate([values, column], axis=1)
            encoded = FORMAT.encode(values, register + codes.EXPONENT_OFFSET)
            self.operands[key] = (_integers(encoded), register)
        return self.operands[key]

    def _write_back(
        self, op: ops.Op, sums: NDArray[np.int64], registers: int, power: int, relu: bool
    ) -> Released:
        """Sums times 2^power as codes: shift + write-back bias = register + 16 - registers - power.

        `registers` are those of both operands together.
        """
        register = self.register(op.output)
        together = register + 16 - registers - power
        accum_bias = min(max(together, 0), FULL_RANGE_BIAS)
        shift = min(max(together - accum_bias, 0), 31)
        found = array.write_back(sums, shift, words.biases(accum_bias), relu, 0)
        return Released(found, register)

    def scores(
        self, op: ops.AttentionScores, batch: Batch, query: Released, key: Released
    ) -> Released:
        """Scores by head under the power of two in their scale."""
        if any(span is not None for span in op.spans):
            raise InputError(
                f"op {op.name!r}: the released span mask goes by a key's position, not by "
                "distance, so attention spans have no released arithmetic"
            )
        left, right = (
            _integers(x.codes)
            .reshape(*x.codes.shape[:2], op.num_heads, op.head_size)
            .transpose(0, 2, 1, 3)
            for x in (query, key)
        )
        sums = _wrapped(left @ right.swapaxes(-1, -2))
        power = math.frexp(op.scale)[1]
        found = self._write_back(op, sums, query.register + key.register, power, False)
        keys = batch.present[:, np.newaxis, np.newaxis, :] if batch.is_padded else None
        return Released(found.codes, found.register, keys)

    def context(
        self, op: ops.AttentionContext, batch: Batch, shares: Released, turned: Released
    ) -> Released:
        """Weighted values by head, heads side by side."""
        count, _, length = turned.codes.shape
        right = _integers(turned.codes).reshape(count, op.num_heads, op.head_size, length)
        sums = _wrapped(_integers(shares.codes) @ right.swapaxes(-1, -2))
        return self._write_back(
            op, side_by_side(op, sums), shares.register + turned.register, 0, False
        )

    # the special function unit -------------------------------------------------------------------

    def softmax(self, op: ops.Softmax, batch: Batch, x: Released) -> Released:
        """The released softmax; padding keys are cut by the span mask, after normalisation."""
        ones = np.full(x.codes.shape[-1], ONE_CODE, dtype=np.uint8)
        span = ones if x.keys is None else np.where(x.keys, ones, 0)
        span = np.broadcast_to(span, x.codes.shape) if x.keys is not None else span
        found = hls.softmax_as_released(x.codes, span, x.register, ONE_REGISTER)
        return Released(found, x.register)

    def layer_norm(self, op: ops.LayerNorm, batch: Batch, x: Released) -> Released:
        """The released layer norm, gamma's bytes in the place of beta's, no epsilon."""
        gamma, beta = self.weights[op.gamma], self.weights[op.beta]
        register = FORMAT.bias_for(gamma) - codes.EXPONENT_OFFSET
        scale = FORMAT.encode(gamma, register + codes.EXPONENT_OFFSET)
        shift = FORMAT.bias_for(beta) - codes.EXPONENT_OFFSET
        found = hls.layernorm(x.codes, scale, scale, x.register, register, bias_beta=shift)
        return Released(found, x.register)

    def add(self, op: ops.Add, batch: Batch, left: Released, right: Released) -> Released:
        """Elementwise sum."""
        out = self.register(op.output)
        return Released(
            hls.elemadd(left.codes, right.codes, left.register, right.register, out), out
        )

    def entropy(self, op: ops.Entropy, batch: Batch, logits: Released) -> NDArray[np.float64]:
        """The released entropy word as a number, perhaps negative."""
        found, _ = hls.entropy_as_released(logits.codes, logits.register, 0)
        return np.asarray(found[..., np.newaxis] / UNIT_SCALE)

    # the host ------------------------------------------------------------------------------------

    def embedding(self, op: ops.Embedding, batch: Batch) -> Released:
        """Rows of a table in the table's register."""
        table = self.weights[op.table]
        register = FORMAT.bias_for(table) - codes.EXPONENT_OFFSET
        found = np.broadcast_to(table[batch.rows(op)], (*batch.token_ids.shape, table.shape[1]))
        return self.encoded(found, register)

    def given(self, op: ops.Input, batch: Batch) -> Released:
        """A tensor from outside."""
        assert batch.given is not None
        return self.encoded(batch.given, self.register(op.output))

    def activate(self, op: ops.Activation, batch: Batch, x: Released) -> Released:
        """An activation in float32."""
        bent = FUNCTIONS[op.function](self.values(x).astype(np.float32))
        return self.encoded(bent, self.register(op.output))

    def pool(self, op: ops.Pool, batch: Batch, x: Released) -> Released:
        """Mean over the rows that are no padding, or the first row."""
        if op.pooling == "first":
            return Released(x.codes[:, :1], x.register)
        total = np.where(batch.present[..., np.newaxis], self.values(x), 0.0)
        mean = total.sum(axis=1, keepdims=True) / batch.num_tokens[:, np.newaxis, np.newaxis]
        return self.encoded(mean, self.register(op.output))

    def relayout(self, op: ops.Relayout, batch: Batch, x: Released) -> Released:
        """Transpose of each sentence."""
        return Released(np.ascontiguousarray(x.codes.swapaxes(-1, -2)), x.register)


def _one_code(register: int) -> int:
    """Code of the largest power of two up to 1 under a register."""
    exponent = min(0, register + codes.EXPONENT_OFFSET + 7)
    return (exponent - register - codes.EXPONENT_OFFSET) << 4


def _integers(found: NDArray[Any]) -> NDArray[np.float64]:
    return np.take(codes.operands(np.arange(256)).astype(np.float64), found)


def _wrapped(sums: NDArray[np.float64]) -> NDArray[np.int64]:
    """Exact sums cut to 16 bits; see `hls.array.accumulate` for why float64 holds them."""
    return words.wrap(sums.astype(np.int64), 16)


def released_arithmetic(trace: OpTrace) -> ReleasedArithmetic:
    """The released arithmetic over a trace with its weights; InputError for one without."""
    if trace.values is None:
        raise InputError(
            f"trace {trace.name!r} holds no weight values; a saved trace keeps masks only, "
            "name the model instead, or lower it again"
        )
    return ReleasedArithmetic(trace, _with_scales(trace, trace.values))


def _with_scales(
    trace: OpTrace, values: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """The weights, queries times the significand of their scores' scale (0.5 … 1)."""
    maker = {op.output: op for op in trace.all_ops()}
    factors: dict[str, float] = {}
    for op in trace.all_ops():
        if isinstance(op, ops.AttentionScores):
            significand = math.frexp(op.scale)[0]
            source = maker[op.inputs[0]]
            if isinstance(source, ops.MatMul):
                factors.update(dict.fromkeys(filter(None, source.weights), significand))
            elif significand != 0.5:
                raise InputError(
                    f"op {op.name!r}: scale {op.scale:g} is no power of two and the query comes "
                    "from no product; the released accumulator only shifts"
                )
    return {
        name: np.asarray(array * np.float32(factors.get(name, 1.0)))
        for name, array in values.items()
    }


_EXECUTE: Mapping[type[ops.Op], Callable[..., Any]] = MappingProxyType(
    {
        ops.Input: ReleasedArithmetic.given,
        ops.Embedding: ReleasedArithmetic.embedding,
        ops.AttentionScores: ReleasedArithmetic.scores,
        ops.Softmax: ReleasedArithmetic.softmax,
        ops.AttentionContext: ReleasedArithmetic.context,
        ops.LayerNorm: ReleasedArithmetic.layer_norm,
        ops.Add: ReleasedArithmetic.add,
        ops.Activation: ReleasedArithmetic.activate,
        ops.Pool: ReleasedArithmetic.pool,
        ops.Relayout: ReleasedArithmetic.relayout,
        ops.Entropy: ReleasedArithmetic.entropy,
    }
)
