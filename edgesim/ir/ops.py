"""The op kinds of a trace: one frozen record per kind, tensors by name, batch 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

ACTIVATIONS = ("relu", "gelu", "gelu_new", "tanh")
POOLINGS = ("mean", "first")
INDICES = ("token", "position", "type")


@dataclass(frozen=True)
class Op:
    """What every op has: a name (its module path), the tensors it reads and the one it writes."""

    kind: ClassVar[str] = ""
    name: str
    inputs: tuple[str, ...]
    """Activation tensors, in order."""
    output: str

    @property
    def weights(self) -> tuple[str, ...]:
        """Weight tensors that the op reads."""
        return ()


@dataclass(frozen=True)
class Input(Op):
    """A tensor (S, width) that arrives from outside, in place of embeddings; reads nothing."""

    kind: ClassVar[str] = "input"


@dataclass(frozen=True)
class Embedding(Op):
    """Rows of a table, one per token: (S, width). `index` says which number selects the row."""

    kind: ClassVar[str] = "embedding"
    table: str
    """Tensor (rows, width)."""
    index: str
    """`token` (the token id), `position` (0 … S-1) or `type` (always row 0)."""

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.table,)


@dataclass(frozen=True)
class MatMul(Op):
    """x · Wᵀ + b with x (rows, reduction), W (columns, reduction), b (columns,) or None."""

    kind: ClassVar[str] = "matmul"
    weight: str
    bias: str | None

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


@dataclass(frozen=True)
class AttentionScores(Op):
    """scale · q_h k_hᵀ per head; inputs q, k (S, heads · head_size); output (heads, S, S)."""

    kind: ClassVar[str] = "attention_scores"
    num_heads: int
    head_size: int
    scale: float
    spans: tuple[int | None, ...]
    """Attention span of each head: token i sees token j where |i - j| < span. A head at 0 sees
    nothing and its context is exactly zero; None sees the whole sentence."""


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the last axis of (heads, S, S)."""

    kind: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class AttentionContext(Op):
    """p_h v_h per head, heads side by side; inputs p (heads, S, S), vᵀ (heads · head_size, S)."""

    kind: ClassVar[str] = "attention_context"
    num_heads: int
    head_size: int
    present: tuple[bool, ...] = ()
    """For every head of the output whether it is one of the `num_heads`; the others' columns are
    zero. Empty: the output holds the `num_heads` alone."""

    @property
    def present_fraction(self) -> float:
        """Share of the output's columns that the op computes."""
        return self.num_heads / len(self.present) if self.present else 1.0


@dataclass(frozen=True)
class LayerNorm(Op):
    """Normalise the last axis, then scale by gamma and add beta."""

    kind: ClassVar[str] = "layernorm"
    gamma: str
    beta: str
    epsilon: float

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.gamma, self.beta)


@dataclass(frozen=True)
class Add(Op):
    """Elementwise sum of two tensors of one shape."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True)
class Activation(Op):
    """Elementwise function: relu, gelu (erf), gelu_new (tanh approximation) or tanh."""

    kind: ClassVar[str] = "activation"
    function: str


@dataclass(frozen=True)
class Pool(Op):
    """One row from (S, width): the mean of the rows, or the first."""

    kind: ClassVar[str] = "pool"
    pooling: str


@dataclass(frozen=True)
class Relayout(Op):
    """Transpose of a two-dimensional tensor, so that a following product reads it by rows."""

    kind: ClassVar[str] = "relayout"


@dataclass(frozen=True)
class Entropy(Op):
    """Entropy in nats of softmax(logits): (1, labels) to (1, 1)."""

    kind: ClassVar[str] = "entropy"


@dataclass(frozen=True)
class ExitCheck(Op):
    """Compare an entropy with the threshold; the host sees the outcome."""

    kind: ClassVar[str] = "exit_check"
    layer: int
    """1-based layer after which the sentence may leave."""


@dataclass(frozen=True)
class Host(Op):
    """Elementwise work that the accelerator lacks: tensor out, host cycles, tensor in."""

    kind: ClassVar[str] = "host"
    function: str
    """The op kind, or activation, that the host carries out."""


OP_KINDS: dict[str, type[Op]] = {
    cls.kind: cls
    for cls in (
        Input, Embedding, MatMul, AttentionScores, Softmax, AttentionContext, LayerNorm, Add,
        Activation, Pool, Relayout, Entropy, ExitCheck, Host,
    )
}  # fmt: skip
