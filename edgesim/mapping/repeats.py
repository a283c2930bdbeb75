"""Segments that repeat each other, as the layers of a model with shared weights do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgesim.ir.ops import ExitCheck, Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import PlannedOp, SegmentPlan, Spill

SegmentShape = tuple[Any, ...]


def segment_shape(trace: OpTrace, ops: Sequence[Op]) -> SegmentShape:
    """What two segments share when they are equal op by op, whatever their names.

    Ops with tensors by order of appearance, and what planning reads of those tensors. Which layer
    an off-ramp stands behind makes no difference.
    """
    numbers = {name: number for number, name in enumerate(_tensor_names(ops))}
    placeless = (replace(op, layer=0) if isinstance(op, ExitCheck) else op for op in ops)
    bare = tuple(
        replace(op, name="", inputs=tuple(str(numbers[n]) for n in op.inputs),
                output=str(numbers[op.output]))
        for op in placeless
    )  # fmt: skip
    tensors = tuple(replace(trace.tensors[name], name="") for name in numbers)
    return (bare, tensors)


def _tensor_names(ops: Sequence[Op]) -> list[str]:
    return list(dict.fromkeys(name for op in ops for name in (*op.inputs, op.output)))


def repeated(
    plan: SegmentPlan, planned: Sequence[Op], label: str, layer: int, ops: Sequence[Op]
) -> SegmentPlan:
    """A plan of the ops `planned` under the names of equal `ops`."""
    by_name = {old.name: new.name for old, new in zip(planned, ops, strict=True)}
    tensors = dict(zip(_tensor_names(planned), _tensor_names(ops), strict=True))

    def renamed(op: PlannedOp) -> PlannedOp:
        def spills(found: tuple[Spill, ...]) -> tuple[Spill, ...]:
            return tuple(replace(spill, tensor=tensors[spill.tensor]) for spill in found)

        return replace(
            op, name=by_name[op.name], loads=spills(op.loads),
            stores=spills(op.stores), entry_stores=spills(op.entry_stores),
        )  # fmt: skip

    return replace(
        plan, label=label, layer=layer, ops=tuple(renamed(op) for op in plan.ops),
        spilled_tensors=tuple(sorted(tensors[name] for name in plan.spilled_tensors)),
        repeats=plan.repeats or plan.label,
    )  # fmt: skip
