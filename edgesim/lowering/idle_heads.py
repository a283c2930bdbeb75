"""Heads of span 0 taken out of a trace: their rows, their share of scores and context, and their
columns of the output projection unless that is kept whole. The logits stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.ops import AttentionContext, AttentionScores, MatMul, Op, Relayout, Softmax
from edgesim.ir.optrace import Layer, OpTrace, Tensor
from edgesim.ir.size import Size

Kept = NDArray[np.int64]
WIDEST_VECTOR = 64
"""Elements of the longest vector that an array of a chip can have."""


@dataclass
class _Changes:
    """What the removal does to ops, weights and activation widths, by name."""

    ops: dict[str, Op] = field(default_factory=dict)
    rows: dict[str, Kept] = field(default_factory=dict)
    columns: dict[str, Kept] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    """Weights whose columns are all zero, as the head behind them sees nothing."""
    shapes: dict[str, tuple[Size, ...]] = field(default_factory=dict)
    zeros: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Share of an activation's columns that can be other than zero, and of its zero vectors."""


def without_idle_heads(trace: OpTrace, keep_output_projection: bool = False) -> OpTrace:
    """The trace without heads that see nothing; the same trace where there are none.

    With `keep_output_projection` the product behind the context stays as wide as the model was
    trained, over zeros where heads are gone: what a chip computes that only skips heads.

    Where all heads of an attention are off its first one stays with span 1, and the output
    projection is zero. An attention whose operands are not products of their own, or whose weights
    other applications use with other spans, is left as it is: such heads cost what any head costs.
    """
    if trace.values is None:
        return trace
    makers = {op.output: op for op in trace.all_ops()}
    readers: dict[str, list[Op]] = {}
    for op in trace.all_ops():
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    changes = _Changes()
    planned = [
        plan
        for op in trace.all_ops()
        if isinstance(op, AttentionScores) and (plan := _plan(op, makers, readers)) is not None
    ]
    uses = _uses(planned)
    for plan in planned:
        if all(len({p.keep for p in uses[name]}) == 1 for name in plan.weights):
            _apply(plan, changes, keep_output_projection)
    return _changed(trace, changes) if changes.ops else trace


@dataclass(frozen=True)
class _Plan:
    """The ops around one attention, and the heads that stay."""

    scores: AttentionScores
    products: tuple[MatMul, MatMul, MatMul]
    softmax: Softmax
    relayout: Relayout
    context: AttentionContext
    projection: MatMul
    keep: tuple[int, ...]
    """Heads that stay."""

    @property
    def weights(self) -> tuple[str, ...]:
        """Weights of the four products."""
        return tuple(op.weight for op in (*self.products, self.projection))


def _only(readers: Mapping[str, list[Op]], tensor: str) -> Op | None:
    found = readers.get(tensor, [])
    return found[0] if len(found) == 1 else None


def _plan(
    scores: AttentionScores, makers: Mapping[str, Op], readers: Mapping[str, list[Op]]
) -> _Plan | None:
    query, key = (makers.get(name) for name in scores.inputs)
    softmax = _only(readers, scores.output)
    context = None if softmax is None else _only(readers, softmax.output)
    if not isinstance(softmax, Softmax) or not isinstance(context, AttentionContext):
        return None
    relayout = makers.get(context.inputs[1])
    value = None if relayout is None else makers.get(relayout.inputs[0])
    projection = _only(readers, context.output)
    products = (query, key, value)
    if (
        not isinstance(relayout, Relayout)
        or not isinstance(projection, MatMul)
        or not all(isinstance(op, MatMul) for op in products)
        or any(_only(readers, op.output) is None for op in products if op is not None)
    ):
        return None
    keep = tuple(h for h, span in enumerate(scores.spans) if span != 0) or (0,)
    three: tuple[MatMul, MatMul, MatMul] = products  # type: ignore[assignment]
    return _Plan(scores, three, softmax, relayout, context, projection, keep)


def _uses(planned: list[_Plan]) -> dict[str, list[_Plan]]:
    """Plans by the weights of their products."""
    uses: dict[str, list[_Plan]] = {}
    for plan in planned:
        for name in plan.weights:
            uses.setdefault(name, []).append(plan)
    return uses


def _apply(plan: _Plan, changes: _Changes, whole_projection: bool) -> None:
    scores, size = plan.scores, plan.scores.head_size
    off = all(span == 0 for span in scores.spans)
    if not off and len(plan.keep) == scores.num_heads:
        return
    heads = np.array(plan.keep)
    elements = (heads[:, None] * size + np.arange(size)).ravel()
    count, width = Size(len(heads)), Size(len(elements))
    spans = (1,) if off else tuple(scores.spans[head] for head in plan.keep)
    changes.ops[scores.name] = replace(scores, num_heads=len(heads), spans=spans)
    context = replace(plan.context, num_heads=len(heads))
    if whole_projection:
        kept = tuple(head in plan.keep for head in range(scores.num_heads))
        context = replace(context, present=kept)
        changes.zeros[context.output] = (len(heads) / scores.num_heads, _null_vectors(kept, size))
    else:
        changes.columns[plan.projection.weight] = elements
        changes.shapes[context.output] = (Size(per_token=1), width)
    changes.ops[context.name] = context
    for op in plan.products:
        changes.shapes[op.output] = (Size(per_token=1), width)
        for name in op.weights:
            changes.rows[name] = elements
    if off:
        changes.cleared.add(plan.projection.weight)
    square = (count, Size(per_token=1), Size(per_token=1))
    changes.shapes |= {
        scores.output: square, plan.softmax.output: square,
        plan.relayout.output: (width, Size(per_token=1)),
    }  # fmt: skip


def _null_vectors(kept: tuple[bool, ...], size: int) -> float:
    """Share of vectors without a column of a head that stays, for the widest array and so for all
    narrower ones."""
    columns = np.repeat(kept, size)
    starts = np.arange(0, len(columns), WIDEST_VECTOR)
    return float(1 - np.logical_or.reduceat(columns, starts).mean())


def _changed(trace: OpTrace, changes: _Changes) -> OpTrace:
    assert trace.values is not None
    values = dict(trace.values)
    for name, rows in changes.rows.items():
        values[name] = values[name][rows]
    for name, columns in changes.columns.items():
        values[name] = values[name][:, columns]
    masks, tensors = dict(trace.masks), dict(trace.tensors)
    for name in changes.cleared:
        values[name] = np.zeros_like(values[name])
    for name in dict.fromkeys((*changes.rows, *changes.columns, *changes.cleared)):
        value = np.ascontiguousarray(values[name])
        value.setflags(write=False)
        values[name] = value
        masks.pop(name, None)
        if np.any(value == 0):
            masks[name] = np.packbits(value != 0)
        tensors[name] = _weight(tensors[name], value)
    for name, shape in changes.shapes.items():
        tensors[name] = replace(tensors[name], shape=shape)
    for name, (share, null) in changes.zeros.items():
        tensors[name] = replace(tensors[name], density=share, null_vector_fraction=null)
    layers = tuple(
        Layer(x.index, tuple(changes.ops.get(op.name, op) for op in x.ops), x.ramp)
        for x in trace.layers
    )
    return replace(trace, layers=layers, tensors=tensors, masks=masks, values=values)


def _weight(tensor: Tensor, value: NDArray[np.float32]) -> Tensor:
    shape = tuple(Size(n) for n in value.shape)
    return replace(tensor, shape=shape, density=float(np.count_nonzero(value) / value.size))
