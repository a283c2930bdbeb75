"""The op kinds of a trace: one frozen record per kind, tensors by name, batch 1.

Each record holds the facts of `ir.op` that set it apart: unit, shape rule, extent, accesses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from edgesim.ir.op import Dims, Extent, HeadLoop, Op, Shape, Unit
from edgesim.ir.size import SEQUENCE, Size

__all__ = [
    "ACTIVATIONS", "INDICES", "MOST_TOKENS", "MOVEMENTS", "OP_KINDS", "POOLINGS", "PRODUCTS",
    "SPECIAL_FUNCTIONS", "Activation", "Add", "AttentionContext", "AttentionScores", "Embedding",
    "Entropy", "ExitCheck", "Host", "Input", "LayerNorm", "MatMul", "Op", "Pool", "Relayout",
    "Softmax", "facts_of",
]  # fmt: skip

ACTIVATIONS = ("relu", "gelu", "gelu_new", "tanh")
POOLINGS = ("mean", "first")
INDICES = ("token", "position", "type")
MOST_TOKENS = 2**31 - 1
_ONE = Size(1)


@dataclass(frozen=True)
class Input(Op):
    """A tensor (S, width) that arrives from outside, in place of embeddings; reads nothing."""

    kind: ClassVar[str] = "input"
    unit: ClassVar[Unit] = "none"
    num_inputs: ClassVar[int] = 0

    def extent(self, dims: Dims) -> Extent:
        width = dims(self.output)[-1]
        return Extent(0, width, width)


@dataclass(frozen=True)
class Embedding(Op):
    """Rows of a table, one per token: (S, width). `index` says which number selects the row."""

    kind: ClassVar[str] = "embedding"
    unit: ClassVar[Unit] = "sfu"
    moves: ClassVar[bool] = True
    num_inputs: ClassVar[int] = 0
    reads_operands: ClassVar[bool] = False
    table: str
    """Tensor (rows, width)."""
    index: str
    """`token` (the token id), `position` (0 … S-1) or `type` (always row 0)."""

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.table,)

    @property
    def moved_tensors(self) -> tuple[str, ...]:
        """The rows that are read, as large as the output, and the output."""
        return (self.output, self.output)

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        return len(weights[0]) == 2 and output == (SEQUENCE, weights[0][1])

    def wrong_value(self) -> str | None:
        return _unknown("index", self.index, INDICES)


@dataclass(frozen=True)
class MatMul(Op):
    """x · Wᵀ + b with x (rows, reduction), W (columns, reduction), b (columns,) or None."""

    kind: ClassVar[str] = "matmul"
    unit: ClassVar[Unit] = "pu"
    weight: str
    bias: str | None

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def extent(self, dims: Dims) -> Extent:
        rows, reduction, _, _ = super().extent(dims)
        return Extent(rows, reduction, dims(self.weight)[0])

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        matrix, *bias = weights
        if len(matrix) != 2 or inputs[0][-1] != matrix[1] or bias not in ([], [matrix[:1]]):
            return False
        return output == (*inputs[0][:-1], matrix[0])


@dataclass(frozen=True)
class AttentionScores(Op):
    """scale · q_h k_hᵀ per head; inputs q, k (S, heads · head_size); output (heads, S, S)."""

    kind: ClassVar[str] = "attention_scores"
    unit: ClassVar[Unit] = "pu"
    num_inputs: ClassVar[int] = 2
    heads: ClassVar[HeadLoop] = "split"
    num_heads: int
    head_size: int
    scale: float
    spans: tuple[int | None, ...]
    """Attention span of each head: token i sees token j where |i - j| < span. A head at 0 sees
    nothing and its context is exactly zero; None sees the whole sentence."""

    def extent(self, dims: Dims) -> Extent:
        num_tokens = dims(self.inputs[0])[0]
        return Extent(num_tokens, self.head_size, num_tokens, self.num_heads)

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        inner = Size(self.num_heads * self.head_size)
        sound = list(inputs) == [(SEQUENCE, inner)] * 2 and len(self.spans) == self.num_heads
        return sound and output == (Size(self.num_heads), SEQUENCE, SEQUENCE)

    def wrong_value(self) -> str | None:
        if any(span is not None and not 0 <= span <= MOST_TOKENS for span in self.spans):
            return f"a span outside 0 to {MOST_TOKENS}"
        return None if math.isfinite(self.scale) else f"scale {self.scale}"


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the last axis of (heads, S, S)."""

    kind: ClassVar[str] = "softmax"
    unit: ClassVar[Unit] = "sfu"
    always_on_chip: ClassVar[bool] = True
    heads: ClassVar[HeadLoop] = "inside"
    whole_rows: ClassVar[bool] = True

    def extent(self, dims: Dims) -> Extent:
        rows, width, _, _ = super().extent(dims)
        shape = dims(self.inputs[0])
        num_heads = shape[0] if len(shape) == 3 else 1
        return Extent(rows // num_heads, width, width, num_heads)


@dataclass(frozen=True)
class AttentionContext(Op):
    """p_h v_h per head, heads side by side; inputs p (heads, S, S), vᵀ (heads · head_size, S)."""

    kind: ClassVar[str] = "attention_context"
    unit: ClassVar[Unit] = "pu"
    num_inputs: ClassVar[int] = 2
    heads: ClassVar[HeadLoop] = "join"
    num_heads: int
    head_size: int
    present: tuple[bool, ...] = ()
    """For every head of the output whether it is one of the `num_heads`; the others' columns are
    zero. Empty: the output holds the `num_heads` alone."""

    @property
    def computed_fraction(self) -> float:
        """Share of the output's columns that the op computes."""
        return self.num_heads / len(self.present) if self.present else 1.0

    def extent(self, dims: Dims) -> Extent:
        num_tokens = dims(self.inputs[0])[1]
        return Extent(num_tokens, num_tokens, self.head_size, self.num_heads)

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        inner = Size(self.num_heads * self.head_size)
        if list(inputs) != [(Size(self.num_heads), SEQUENCE, SEQUENCE), (inner, SEQUENCE)]:
            return False
        if self.present and sum(self.present) != self.num_heads:
            return False
        width = Size(len(self.present) * self.head_size) if self.present else inner
        return output == (SEQUENCE, width)


@dataclass(frozen=True)
class LayerNorm(Op):
    """Normalise the last axis, then scale by gamma and add beta."""

    kind: ClassVar[str] = "layernorm"
    unit: ClassVar[Unit] = "sfu"
    always_on_chip: ClassVar[bool] = True
    whole_rows: ClassVar[bool] = True
    gamma: str
    beta: str
    epsilon: float

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.gamma, self.beta)

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        return list(weights) == [output[-1:]] * 2 and super().fits(inputs, weights, output)

    def wrong_value(self) -> str | None:
        return None if 0 <= self.epsilon < math.inf else f"epsilon {self.epsilon}"


@dataclass(frozen=True)
class Add(Op):
    """Elementwise sum of two tensors of one shape."""

    kind: ClassVar[str] = "add"
    unit: ClassVar[Unit] = "sfu"
    always_on_chip: ClassVar[bool] = True
    num_inputs: ClassVar[int] = 2


@dataclass(frozen=True)
class Activation(Op):
    """Elementwise function: relu, gelu (erf), gelu_new (tanh approximation) or tanh.

    The array applies it behind its accumulators where the chip can, else the host does.
    """

    kind: ClassVar[str] = "activation"
    function: str

    def wrong_value(self) -> str | None:
        return _unknown("function", self.function, ACTIVATIONS)


@dataclass(frozen=True)
class Pool(Op):
    """One row from (S, width): the mean of the rows, or the first."""

    kind: ClassVar[str] = "pool"
    unit: ClassVar[Unit] = "sfu"
    moves: ClassVar[bool] = True
    pooling: str

    @property
    def in_words(self) -> bool:
        return self.pooling == "mean"

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        return len(inputs[0]) == 2 and output == (_ONE, inputs[0][1])

    def wrong_value(self) -> str | None:
        return _unknown("pooling", self.pooling, POOLINGS)

    @classmethod
    def written_elements(cls, rows: int, row_elements: int) -> int:
        return row_elements


@dataclass(frozen=True)
class Relayout(Op):
    """Transpose of a two-dimensional tensor, so that a following product reads it by rows."""

    kind: ClassVar[str] = "relayout"
    unit: ClassVar[Unit] = "sfu"
    moves: ClassVar[bool] = True
    in_place: ClassVar[bool] = False

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        return len(inputs[0]) == 2 and output == inputs[0][::-1]


@dataclass(frozen=True)
class Entropy(Op):
    """Entropy in nats of softmax(logits): (1, labels) to (1, 1)."""

    kind: ClassVar[str] = "entropy"
    unit: ClassVar[Unit] = "sfu"
    always_on_chip: ClassVar[bool] = True
    holds_output: ClassVar[bool] = False
    whole_rows: ClassVar[bool] = True

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        return inputs[0][:-1] == (_ONE,) and output == (_ONE, _ONE)

    @classmethod
    def written_elements(cls, rows: int, row_elements: int) -> int:
        return 0


@dataclass(frozen=True)
class ExitCheck(Op):
    """Compare an entropy with the threshold; the host sees the outcome."""

    kind: ClassVar[str] = "exit_check"
    unit: ClassVar[Unit] = "exit"
    holds_output: ClassVar[bool] = False
    layer: int
    """1-based layer after which the sentence may leave."""

    def fits(self, inputs: Sequence[Shape], weights: Sequence[Shape], output: Shape) -> bool:
        return True


@dataclass(frozen=True)
class Host(Op):
    """Elementwise work that the accelerator lacks: tensor out, host cycles, tensor in."""

    kind: ClassVar[str] = "host"
    function: str
    """The op kind, or activation, that the host carries out."""


def _unknown(field: str, word: str, allowed: Sequence[str]) -> str | None:
    if word in allowed:
        return None
    return f"{field} {word[:40]!r}; allowed: {', '.join(allowed)}"


OP_KINDS: dict[str, type[Op]] = {
    cls.kind: cls
    for cls in (
        Input, Embedding, MatMul, AttentionScores, Softmax, AttentionContext, LayerNorm, Add,
        Activation, Pool, Relayout, Entropy, ExitCheck, Host,
    )
}  # fmt: skip
PRODUCTS = tuple(kind for kind, op in OP_KINDS.items() if op.unit == "pu")
"""Kinds that the array runs."""
SPECIAL_FUNCTIONS = tuple(k for k, op in OP_KINDS.items() if op.unit == "sfu" and not op.moves)
"""Kinds with a program in the chip file."""
MOVEMENTS = tuple(kind for kind, op in OP_KINDS.items() if op.moves)
"""Kinds that move data through the special function unit."""


def facts_of(kind: str) -> type[Op]:
    """What every op of a kind says of itself; those of `Op` for work that no trace names."""
    return OP_KINDS.get(kind, Op)
