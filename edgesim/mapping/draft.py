"""Ops of a segment with their dimensions filled in: what residency and planning work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import Activation, AttentionScores, MatMul, Op
from edgesim.ir.optrace import OpTrace
from edgesim.mapping.placement import exchange_levers, exchange_medium


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
        return self.op.heads != ""


def draft_ops(
    trace: OpTrace, chip: AcceleratorSpec, ops: Sequence[Op], num_tokens: int
) -> list[Draft] | Infeasible:
    """Drafts of a segment's ops; activations that the chip applies as it drains are fused."""
    drafts: list[Draft] = []
    missing: list[str] = []
    bands: tuple[int | None, ...] = ()
    for op in _head_loop_together(ops):
        previous = drafts[-1] if drafts else None
        if isinstance(op, Activation) and _fuses(chip, op, previous, ops):
            assert previous is not None
            drafts[-1] = replace(previous, output=op.output, fused_activation=op.function)
            fused = _draft(trace, op, "fused", num_tokens)
            drafts.append(replace(fused, inputs=(), output=None))
            continue
        if isinstance(op, AttentionScores):
            bands = _bands(chip, op, num_tokens)
        draft = _draft(trace, op, unit_of(chip, op), num_tokens)
        if op.heads in ("split", "join"):
            draft = replace(draft, bands=bands)
        if draft.unit == "host" and draft.rows and chip.host.fallback == "none":
            missing.append(f"{op.name} ({op.kind})")
        drafts.append(draft)
    on_host = [draft.op.name for draft in drafts if draft.unit == "host"]
    if on_host and not missing and exchange_medium(chip) is None:
        return Infeasible(
            f"{', '.join(on_host)} on the host of {chip.name}, which shares no writable storage",
            len(on_host), 0, "ops", exchange_levers(),
        )  # fmt: skip
    if missing:
        return Infeasible(
            f"{chip.name} without host fallback lacks: {', '.join(missing)}", len(missing), 0,
            "ops", ("host.fallback", "sfu.vector_ops", "pu.activation_functions"),
        )  # fmt: skip
    return drafts


def _head_loop_together(ops: Sequence[Op]) -> list[Op]:
    """The ops with what does not depend on the scores ahead of them, so that heads run in turn."""
    parts = [op.heads for op in ops]
    if "split" not in parts or "join" not in parts:
        return list(ops)
    start, stop = parts.index("split"), parts.index("join")
    depends: set[str] = set()
    early: list[Op] = []
    late: list[Op] = []
    for op in ops[start:stop]:
        if op.heads == "split" or depends.intersection(op.inputs):
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


def unit_of(chip: AcceleratorSpec, op: Op) -> str:
    """The unit of a chip that runs an op; `host` for what the chip lacks.

    A tensor from outside counts as a host op without rows: no host cycles, one transfer in.
    """
    if op.unit == "none":
        return "host"
    if op.unit != "sfu":
        return op.unit
    known = chip.sfu.vector_ops if op.moves else chip.sfu.programs
    has_command = chip.artifact is None or op.kind in chip.artifact.commands.sequences
    return "sfu" if op.kind in known and has_command else "host"


def _draft(trace: OpTrace, op: Op, unit: str, num_tokens: int) -> Draft:
    extent = op.extent(lambda name: trace.tensors[name].dims(num_tokens))
    return Draft(op, unit, *extent, op.resident_inputs, op.resident_output)
