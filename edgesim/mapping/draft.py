"""Ops of a segment with their dimensions filled in: what residency and planning work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import (
    Activation,
    AttentionContext,
    AttentionScores,
    Entropy,
    ExitCheck,
    Input,
    MatMul,
    Op,
)
from edgesim.ir.optrace import OpTrace
from edgesim.mapping.placement import exchange_medium

VECTOR_KINDS = ("softmax", "layernorm", "add", "entropy")


@dataclass(frozen=True)
class Draft:
    """One op at one sequence length, before blocks and spills are chosen."""

    op: Op
    unit: str
    rows: int
    reduction: int
    columns: int
    repeats: int
    inputs: tuple[str, ...]
    """Activation tensors read; attention internals left out."""
    output: str | None
    """Activation tensor written; None for attention internals and scalars."""
    fused_activation: str | None = None
    bands: tuple[int | None, ...] = ()
    """Span of each head where the array leaves out the tiles beyond it."""

    @property
    def is_product(self) -> bool:
        """Whether the op runs on the MAC array."""
        return self.unit == "pu"

    @property
    def in_attention(self) -> bool:
        """Whether the op belongs to the per-head loop."""
        return self.op.kind in ("attention_scores", "softmax", "attention_context")


def draft_ops(
    trace: OpTrace, chip: AcceleratorSpec, ops: Sequence[Op], num_tokens: int
) -> list[Draft] | Infeasible:
    """Drafts of a segment's ops; activations that the chip applies as it drains are fused."""
    drafts: list[Draft] = []
    missing: list[str] = []
    num_heads = 1
    bands: tuple[int | None, ...] = ()
    for op in _head_loop_together(ops):
        previous = drafts[-1] if drafts else None
        if isinstance(op, Activation) and _fuses(chip, op, previous, ops):
            assert previous is not None
            drafts[-1] = replace(previous, output=op.output, fused_activation=op.function)
            drafts.append(replace(_simple(trace, op, "fused", num_tokens, None), inputs=()))
            continue
        if isinstance(op, AttentionScores):
            num_heads, bands = op.num_heads, _bands(chip, op, num_tokens)
        draft = _draft(trace, chip, op, num_tokens, num_heads)
        if isinstance(op, AttentionScores | AttentionContext):
            draft = replace(draft, bands=bands)
        if draft.unit == "host" and draft.rows and chip.host.fallback == "none":
            missing.append(f"{op.name} ({op.kind})")
        drafts.append(draft)
    on_host = [draft.op.name for draft in drafts if draft.unit == "host"]
    if on_host and not missing and exchange_medium(chip) is None:
        return Infeasible(
            f"{', '.join(on_host)} on the host of {chip.name}, which shares no writable storage",
            len(on_host), 0, "ops", ("storage.lpddr4", "storage.sram"),
        )  # fmt: skip
    if missing:
        return Infeasible(
            f"{chip.name} without host fallback lacks: {', '.join(missing)}", len(missing), 0,
            "ops", ("host.fallback", "sfu.vector_ops", "pu.activation_functions"),
        )  # fmt: skip
    return drafts


def _head_loop_together(ops: Sequence[Op]) -> list[Op]:
    """The ops with what does not depend on the scores ahead of them, so that heads run in turn."""
    kinds = [op.kind for op in ops]
    if "attention_scores" not in kinds or "attention_context" not in kinds:
        return list(ops)
    start = kinds.index("attention_scores")
    stop = kinds.index("attention_context")
    depends: set[str] = set()
    early: list[Op] = []
    late: list[Op] = []
    for op in ops[start:stop]:
        if op.kind == "attention_scores" or depends.intersection(op.inputs):
            depends.add(op.output)
            late.append(op)
        else:
            early.append(op)
    return [*ops[:start], *early, *late, *ops[stop:]]


def _bands(chip: AcceleratorSpec, op: AttentionScores, num_tokens: int) -> tuple[int | None, ...]:
    """Spans that are shorter than the sentence on a chip that leaves out what lies beyond them.

    A head that sees nothing and is still there costs what a whole one costs.
    """
    short = tuple(span if span and span < num_tokens else None for span in op.spans)
    limited = any(span is not None for span in short)
    return short if limited and chip.pu.outside_band == "skipped" else ()


def _fuses(
    chip: AcceleratorSpec, op: Activation, previous: Draft | None, ops: Sequence[Op]
) -> bool:
    """Whether a product applies the activation as it drains: nothing else reads its raw output."""
    return (
        op.function in chip.pu.activation_functions
        and previous is not None
        and isinstance(previous.op, MatMul)
        and previous.output == op.inputs[0]
        and sum(previous.output in other.inputs for other in ops) == 1
    )


def _simple(
    trace: OpTrace, op: Op, unit: str, num_tokens: int, output: str | None, repeats: int = 1
) -> Draft:
    dims = trace.tensors[op.inputs[0] if op.inputs else op.output].dims(num_tokens)
    rows = 1
    for size in dims[:-1]:
        rows *= size
    return Draft(op, unit, rows // repeats, dims[-1], dims[-1], repeats, op.inputs, output)


def _draft(trace: OpTrace, chip: AcceleratorSpec, op: Op, num_tokens: int, num_heads: int) -> Draft:
    """One op; an input is a host op without rows: no host cycles, one transfer in."""
    if isinstance(op, Input):
        width = trace.tensors[op.output].dims(num_tokens)[-1]
        return Draft(op, "host", 0, width, width, 1, (), op.output)
    if isinstance(op, MatMul):
        draft = _simple(trace, op, "pu", num_tokens, op.output)
        return replace(draft, columns=trace.tensors[op.weight].dims(0)[0])
    if isinstance(op, AttentionScores):
        return Draft(op, "pu", num_tokens, op.head_size, num_tokens, op.num_heads, op.inputs, None)
    if isinstance(op, AttentionContext):
        return Draft(
            op, "pu", num_tokens, num_tokens, op.head_size, op.num_heads, op.inputs[1:], op.output
        )
    if op.kind == "softmax":
        return replace(_simple(trace, op, "sfu", num_tokens, None, num_heads), inputs=())
    if op.kind in VECTOR_KINDS or op.kind in chip.sfu.vector_ops:
        output = None if isinstance(op, Entropy) else op.output
        return _simple(trace, op, "sfu", num_tokens, output)
    if isinstance(op, ExitCheck):
        return _simple(trace, op, "exit", num_tokens, None)
    return _simple(trace, op, "host", num_tokens, op.output)
