"""Products whose columns are used in groups, such as q, k and v in one weight: one op per group."""

from __future__ import annotations

from dataclasses import replace

from edgesim.ir.ops import MatMul
from edgesim.ir.size import Size
from edgesim.lowering.builder import Builder, Emitted
from edgesim.lowering.records import NotUnderstoodError
from edgesim.lowering.views import TOKENS, Value, extent, size_of


def is_column_group(value: Value, dim: int) -> bool:
    """Whether an axis counts equal groups of neighbouring columns of (S, groups · width)."""
    atoms = value.atoms
    return len(atoms) > 2 and atoms[0].extent == TOKENS and value.axes[dim] == (atoms[1],)


def column_group(builder: Builder, value: Value, dim: int, index: int) -> Value:
    """The product with the rows of the weight that make up one group; emits it.

    The product of all columns is dropped once only its groups are read.
    """
    producer = _producer(builder, value.tensor)
    op = producer.op
    assert isinstance(op, MatMul)
    groups, rest = value.atoms[1], value.atoms[2:]
    width, power = extent(rest)
    if groups.power or power or not -groups.coefficient <= index < groups.coefficient:
        raise NotUnderstoodError(f"column group {index} of {groups.coefficient}")
    first = (index % groups.coefficient) * width
    weight = builder.rows_of(op.weight, first, width)
    bias = None if op.bias is None else builder.rows_of(op.bias, first, width)
    output = builder.new_tensor(size_of(value.atoms[:1]), Size(width))
    builder.emit(producer.call, replace(op, output=output, weight=weight, bias=bias))
    builder.split.add(value.tensor)
    axes = (*value.axes[:dim], *value.axes[dim + 1 :])
    return Value(output, (value.atoms[0], *rest), axes)


def _producer(builder: Builder, tensor: str) -> Emitted:
    for item in builder.emitted:
        if item.op.output == tensor and isinstance(item.op, MatMul):
            return item
    raise NotUnderstoodError("a group of columns of something else than a linear layer")
