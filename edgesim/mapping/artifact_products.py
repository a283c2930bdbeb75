"""Programs of products on the artifact, by what decides them."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.ir.ops import MatMul
from edgesim.ir.optrace import OpTrace
from edgesim.ir.program import Command
from edgesim.mapping.artifact_commands import CommandBuilder, Side
from edgesim.mapping.artifact_cut import ResultUse, find_cut, part_spans, reduction_parts
from edgesim.mapping.artifact_operands import Operand, activation_operand, weight_operand
from edgesim.mapping.draft import Draft
from edgesim.mapping.placement import Placement


@dataclass(frozen=True)
class ProductKey:
    """All that the commands of a product depend on, beside the chip."""

    rows: int
    reduction: int
    columns: int
    weight: str
    """Empty for a product of two activations."""
    with_bias: bool
    turned: bool
    """The result is wanted transposed: weight and activation change memories."""
    first_density: float
    first_null_fraction: float
    second_density: float
    second_null_fraction: float
    output_density: float
    use: ResultUse

    @classmethod
    def of(cls, trace: OpTrace, draft: Draft, turned: bool, use: ResultUse) -> ProductKey:
        """The key of a drafted product."""
        op = draft.op
        inputs = [trace.tensors[name] for name in op.inputs]
        second = inputs[1] if len(inputs) > 1 else inputs[0]
        weight = op.weight if isinstance(op, MatMul) else ""
        bias = isinstance(op, MatMul) and op.bias is not None
        return cls(
            draft.rows, draft.reduction, draft.columns, weight, bias, turned,
            inputs[0].density, inputs[0].null_vector_fraction or 0.0,
            second.density, second.null_vector_fraction or 0.0,
            trace.tensors[draft.output or op.output].density, use,
        )  # fmt: skip


@dataclass(frozen=True)
class ProductPrograms:
    """Commands of every part of the reduction, and of adding one part to the rest."""

    parts: tuple[tuple[Command, ...], ...]
    sums: tuple[Command, ...]


def product_programs(
    key: ProductKey, trace: OpTrace, placement: Placement, builder: CommandBuilder,
    operands: dict[tuple[str, bool], Operand],
) -> ProductPrograms | None:  # fmt: skip
    """The commands of a product; None where not one tile of it fits a command.

    `operands` holds the weights that were counted before, and takes those that are counted now.
    """
    left, right = _sides(key, trace, placement, builder, operands)
    limits = builder.limits
    parts = reduction_parts(left.operand, right.operand, limits, key.use)
    if parts is None:
        return None
    lists = []
    for span in part_spans(left.operand.reduction_tiles, parts):
        sides = [Side(side.operand.part(*span), side.medium, side.rows) for side in (left, right)]
        cut = find_cut(sides[0].operand, sides[1].operand, limits, key.use)
        assert cut is not None
        lists.append(tuple(builder.product(sides[0], sides[1], cut, key.output_density)))
    results = left.operand.tiles * right.operand.tiles * limits.vector_size
    sums = tuple(builder.add(results)) if parts > 1 else ()
    return ProductPrograms(tuple(lists), sums)


def _sides(
    key: ProductKey, trace: OpTrace, placement: Placement, builder: CommandBuilder,
    operands: dict[tuple[str, bool], Operand],
) -> tuple[Side, Side]:  # fmt: skip
    """Left operand (memory 1, rows of the result) and right operand (memory 0, its columns)."""
    n = builder.limits.vector_size
    first = Side(
        activation_operand(
            key.rows, key.reduction, n, key.first_density, key.first_null_fraction, key.with_bias
        ),
        builder.medium, key.rows,
    )  # fmt: skip
    if key.weight:
        counted = (key.weight, key.with_bias)
        if counted not in operands:
            operands[counted] = weight_operand(trace.weight_mask(key.weight), n, key.with_bias)
        second = Side(operands[counted], placement.weights[key.weight].medium, key.columns)
    else:
        operand = activation_operand(
            key.columns, key.reduction, n, key.second_density, key.second_null_fraction, False
        )
        second = Side(operand, builder.medium, key.columns)
    return (second, first) if key.turned else (first, second)
