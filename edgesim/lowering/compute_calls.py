"""Calls that compute: embeddings, products with weights, normalisation, elementwise functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from edgesim.ir.ops import Activation, Add, Embedding, LayerNorm, MatMul
from edgesim.ir.size import SEQUENCE, Size
from edgesim.lowering.builder import GIVEN_INDICES, TOKEN_IDS, TOKEN_TYPES, Builder
from edgesim.lowering.pointwise import (
    BINARY,
    IDENTITY,
    UNARY,
    Elementwise,
    binary,
    identify,
    is_identity,
    square,
    unary,
)
from edgesim.lowering.records import Call, Constant, NotUnderstoodError
from edgesim.lowering.view_calls import Handler, divide_sum
from edgesim.lowering.views import Atom, Value, extent, extent_of, size_of, without_units


def _index_of(operand: object) -> tuple[str, int]:
    """Kind of index of an embedding, and the row that it reads first."""
    if isinstance(operand, Value) and operand.tensor in GIVEN_INDICES:
        return {TOKEN_IDS: "token", TOKEN_TYPES: "type"}[operand.tensor], 0
    if isinstance(operand, Constant) and operand.first_position is not None:
        return "position", operand.first_position
    if isinstance(operand, Constant) and operand.fixed is not None and not operand.per_token:
        return "type", int(operand.fixed)
    origin = operand.origin() if isinstance(operand, Constant) else ""
    raise NotUnderstoodError(
        f"rows chosen by something else than token ids, positions or token types{origin}"
    )


def _embedding(builder: Builder, call: Call) -> Value:
    table = builder.weight(call.args[0])
    index, first = _index_of(builder.operand(call.args[1]))
    rows, width = builder.weight_shape(table)
    if not 0 <= first < rows:
        raise NotUnderstoodError(f"row {first} of a table of {rows} rows")
    if first:
        table = builder.rows_of(table, first, rows - first if index == "position" else 1)
    shape = call.shape or ()
    if tuple(size for size in shape if size != Size(1)) != (SEQUENCE, Size(width)):
        raise NotUnderstoodError("an embedding that is not one row per token")
    output = builder.new_tensor(SEQUENCE, Size(width))
    builder.emit(call, Embedding("", (), output, table, index))
    tokens, columns = Atom("tokens", 1, 1), Atom("columns", width)
    named = {SEQUENCE: (tokens,), Size(width): (columns,)}
    return Value(output, (tokens, columns), tuple(named.get(size, ()) for size in shape))


def _rows(value: Value, width: int) -> tuple[Atom, ...]:
    """Atoms of the rows of a value whose last axis is the whole row."""
    if not value.is_canonical or not value.axes or extent(value.axes[-1]) != (width, 0):
        raise NotUnderstoodError("an operand that is not laid out as rows")
    return value.atoms[: len(value.atoms) - len(value.axes[-1])]


def _linear(builder: Builder, call: Call) -> Value:
    value = builder.plain(call.args[0])
    weight = builder.weight(call.args[1])
    bias = builder.optional_weight(call.argument(2, "bias"))
    columns, reduction = builder.weight_shape(weight)
    rows = _rows(value, reduction)
    output = builder.new_tensor(size_of(rows), Size(columns))
    builder.emit(call, MatMul("", (value.tensor,), output, weight, bias))
    last = () if columns == 1 else (Atom("columns", columns),)
    return Value(output, (*rows, *last), (*value.axes[:-1], last))


def _layer_norm(builder: Builder, call: Call) -> Value:
    value = builder.plain(call.args[0])
    if len(call.args[1]) != 1:
        raise NotUnderstoodError("normalises over several axes")
    gamma, beta = call.argument(2, "weight"), call.argument(3, "bias")
    if gamma is None or beta is None:
        raise NotUnderstoodError("a layer norm without scale or shift")
    _rows(value, int(call.args[1][0]))
    output = builder.new_tensor(*builder.shapes.get(value.tensor, ()))
    epsilon = float(call.argument(4, "eps", 1e-5))
    names = builder.weight(gamma), builder.weight(beta)
    builder.emit(call, LayerNorm("", (value.tensor,), output, *names, epsilon))
    return Value(output, value.atoms, value.axes)


def _finish(builder: Builder, call: Call, value: Value, function: Elementwise) -> Value:
    """The value under an elementwise function, as an op once the function is recognised."""
    if is_identity(function):
        return replace(value, function=None, pending=())
    name = identify(function)
    if name is None or value.tensor in builder.scores:
        return replace(value, function=function, pending=(*value.pending, call.name))
    output = builder.new_tensor(*builder.shapes.get(value.tensor, ()))
    builder.emit(call, Activation("", (value.tensor,), output, name))
    return replace(value, tensor=output, function=None, pending=())


def _function(value: Value) -> Elementwise:
    """The elementwise function of a value; not understood for ids and open sums."""
    if value.tensor in GIVEN_INDICES:
        raise NotUnderstoodError(f"arithmetic on {value.tensor}")
    if value.summed_over_tokens:
        raise NotUnderstoodError("a sum over tokens that is not divided by their number")
    return IDENTITY if value.function is None else value.function


def _unary(builder: Builder, call: Call) -> Value:
    value = builder.value(call.args[0])
    function = unary(_function(value), call.target, *call.args[1:], **call.kwargs)
    return _finish(builder, call, value, function)


def _sum_of_two(builder: Builder, call: Call) -> Value:
    first, second = builder.plain(call.args[0]), builder.plain(call.args[1])
    if call.target != "aten.add.Tensor" or call.kwargs.get("alpha", 1) != 1:
        raise NotUnderstoodError("an elementwise operation of two activations other than a + b")
    canonical = first.is_canonical and second.is_canonical
    if not canonical or without_units(first) != without_units(second):
        raise NotUnderstoodError("a sum of activations of different shape or layout")
    output = builder.new_tensor(*builder.shapes.get(first.tensor, ()))
    builder.emit(call, Add("", (first.tensor, second.tensor), output))
    longest = max(first, second, key=lambda value: len(value.axes))
    return Value(output, longest.atoms, longest.axes)


def _scalar(operand: Constant | float) -> float:
    if isinstance(operand, float):
        return operand
    if operand.fixed is None or operand.per_token:
        raise NotUnderstoodError(
            f"a constant whose elements differ, such as a partial mask{operand.origin()}"
        )
    return operand.fixed


def _binary(builder: Builder, call: Call) -> Value:
    first, second = builder.operand(call.args[0]), builder.operand(call.args[1])
    operands: list[Elementwise | float] = []
    value: Value | None = None
    if isinstance(first, Value) and first.summed_over_tokens and "div" in call.target:
        return divide_sum(builder, call, first, second)
    for operand in (first, second):
        if not isinstance(operand, Value):
            operands.append(_scalar(operand))
            continue
        operands.append(_function(operand))
        if value is not None and not _same_tensor(value, operand):
            return _sum_of_two(builder, call)
        joined = (*(value.pending if value else ()), *operand.pending)
        value = replace(operand, pending=tuple(dict.fromkeys(joined)))
    if value is None:
        raise NotUnderstoodError("no operand depends on the tokens")
    if tuple(extent_of(size) for size in call.shape or ()) != value.extents():
        raise NotUnderstoodError("it repeats elements to another shape")
    function = binary(operands[0], operands[1], call.target, **call.kwargs)
    return _finish(builder, call, value, function)


def _same_tensor(first: Value, second: Value) -> bool:
    """Whether both are functions of one tensor in one layout, and not both that tensor itself."""
    if first.function is None and second.function is None:
        return False
    return first.tensor == second.tensor and first.axes == second.axes


def _product(builder: Builder, call: Call) -> Value:
    """x·x is elementwise on one tensor; every other product goes through `_binary`."""
    if call.args[0] != call.args[1]:
        return _binary(builder, call)
    value = builder.value(call.args[0])
    return _finish(builder, call, value, square(_function(value)))


COMPUTE_CALLS: Mapping[str, Handler] = MappingProxyType(
    {
        "aten.embedding.default": _embedding,
        "aten.linear.default": _linear,
        "aten.layer_norm.default": _layer_norm,
        **dict.fromkeys(UNARY, _unary),
        **dict.fromkeys(BINARY, _binary),
        "aten.mul.Tensor": _product,
    }
)
