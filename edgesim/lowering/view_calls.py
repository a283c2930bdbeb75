"""Calls that only look at a tensor differently, pool its rows, or do nothing in evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from edgesim.ir.ops import Pool
from edgesim.ir.size import Size
from edgesim.lowering.builder import GIVEN_INDICES, Builder
from edgesim.lowering.column_groups import column_group, is_column_group
from edgesim.lowering.records import Call, Constant, NotUnderstoodError, Ref
from edgesim.lowering.views import (
    TOKENS,
    Value,
    axis_index,
    extent_of,
    permute,
    regroup,
    size_of,
    swap,
)

_HALF = ("torch.float16", "torch.bfloat16")
_FLOATS = ("torch.float16", "torch.bfloat16", "torch.float32", "torch.float64")
_WHOLE_NUMBERS = ("torch.int32", "torch.int64")
"""Types that hold every token id."""

Handler = Callable[[Builder, Call], "Value | tuple[Value, ...]"]


def _shape(call: Call) -> tuple[Size, ...]:
    if call.shape is None:
        raise NotUnderstoodError("a shape that is not linear in the number of tokens")
    return call.shape


def _same(builder: Builder, call: Call) -> Value:
    value = builder.value(call.args[0])
    if tuple(extent_of(size) for size in _shape(call)) != value.extents():
        raise NotUnderstoodError("it repeats or cuts elements")
    return value


def _filled(builder: Builder, call: Call) -> Value:
    """The value itself where the mask is false everywhere: a sentence without padding."""
    mask = builder.operand(call.args[1])
    if not (isinstance(mask, Constant) and mask.equals(0.0)):
        origin = mask.origin() if isinstance(mask, Constant) else ""
        raise NotUnderstoodError(f"a mask that replaces some of the elements{origin}")
    return _same(builder, call)


def _reshape(builder: Builder, call: Call) -> Value:
    return regroup(builder.value(call.args[0]), _shape(call))


def _transpose(builder: Builder, call: Call) -> Value:
    return swap(builder.value(call.args[0]), int(call.args[1]), int(call.args[2]))


def _transpose_matrix(builder: Builder, call: Call) -> Value:
    value = builder.value(call.args[0])
    return swap(value, 0, 1) if len(value.axes) == 2 else value


def _permute(builder: Builder, call: Call) -> Value:
    return permute(builder.value(call.args[0]), call.args[1])


def _dropout(builder: Builder, call: Call) -> Value:
    probability, training = call.argument(1, "p", 0.5), call.argument(2, "train", True)
    if training and probability:
        raise NotUnderstoodError("dropout that stays active in evaluation")
    return builder.value(call.args[0])


def _to_dtype(builder: Builder, call: Call) -> Value:
    kinds = [a for a in (*call.args[1:], *call.kwargs.values()) if isinstance(a, str)]
    dtypes = [kind for kind in kinds if kind.startswith("torch.") and kind != "torch.strided"]
    value = builder.value(call.args[0])
    kept = _WHOLE_NUMBERS if value.tensor in GIVEN_INDICES else _FLOATS
    strange = [kind for kind in dtypes if kind not in kept]
    if strange:
        raise NotUnderstoodError(f"a conversion to {strange[0]}")
    halves = [kind for kind in dtypes if kind in _HALF]
    if halves and not builder.graph.half_precision:
        raise NotUnderstoodError(
            f"a conversion to {halves[0]}, which rounds; leave it out and name the format "
            "(activation_format)"
        )
    return value


def pool(builder: Builder, call: Call, value: Value, pooling: str, dim: int, keep: bool) -> Value:
    """Emit the pooling of the rows of (S, width) to one row; `dim` is the axis of the rows."""
    dim = axis_index(value, dim)
    rows = value.axes[dim]
    if not (value.is_canonical and rows == value.atoms[:1] and value.extents()[dim] == TOKENS):
        raise NotUnderstoodError("pooling of something else than the rows of (S, width)")
    rest = value.atoms[1:]
    output = builder.new_tensor(Size(1), size_of(rest))
    builder.emit(call, Pool("", (value.tensor,), output, pooling))
    axes = (*value.axes[:dim], *(((),) if keep else ()), *value.axes[dim + 1 :])
    return Value(output, rest, axes)


def _select(builder: Builder, call: Call) -> Value:
    value = builder.value(call.args[0])
    dim = axis_index(value, int(call.args[1]))
    if call.args[2] in (0, -1) and value.axes[dim] == ():
        return replace(value, axes=(*value.axes[:dim], *value.axes[dim + 1 :]))
    if is_column_group(value, dim):
        return column_group(builder, builder.plain(call.args[0]), dim, int(call.args[2]))
    if call.args[2] != 0:
        raise NotUnderstoodError(f"selects row {call.args[2]}; only the first can be pooled")
    return pool(builder, call, builder.plain(call.args[0]), "first", dim, keep=False)


def _slice(builder: Builder, call: Call) -> Value:
    value = builder.value(call.args[0])
    dim = axis_index(value, int(call.argument(1, "dim", 0)))
    if tuple(extent_of(size) for size in _shape(call)) == value.extents():
        return value
    start, end = call.argument(2, "start"), call.argument(3, "end")
    if start in (0, None) and end == 1 and not isinstance(end, Ref):
        return pool(builder, call, builder.plain(call.args[0]), "first", dim, keep=True)
    raise NotUnderstoodError("it cuts elements off")


def _dims(value: Value, argument: object) -> list[int]:
    dims = argument if isinstance(argument, tuple) else (argument,)
    return [axis_index(value, int(str(dim))) for dim in dims]


def _mean(builder: Builder, call: Call) -> Value:
    value = builder.plain(call.args[0])
    dims = _dims(value, call.args[1])
    if len(dims) != 1:
        raise NotUnderstoodError("a mean over several axes")
    return pool(builder, call, value, "mean", dims[0], bool(call.argument(2, "keepdim", False)))


def _sum(builder: Builder, call: Call) -> Value:
    value = builder.plain(call.args[0])
    dims = _dims(value, call.args[1])
    if len(dims) != 1 or value.extents()[dims[0]] != TOKENS:
        raise NotUnderstoodError("a sum over something else than the tokens")
    return replace(value, summed_over_tokens=True, pending=(call.name,))


def divide_sum(builder: Builder, call: Call, value: Value, divisor: object) -> Value:
    """The mean over tokens, once a sum over tokens is divided by their number."""
    if not (isinstance(divisor, Constant) and divisor.equals(0.0, per_token=1.0)):
        raise NotUnderstoodError("a sum over tokens divided by something else than their number")
    result_axes = len(_shape(call))
    open_value = replace(value, summed_over_tokens=False, pending=())
    dims = [i for i, axis in enumerate(value.axes) if axis == value.atoms[:1]]
    if len(dims) != 1:
        raise NotUnderstoodError("a sum over something else than the tokens")
    return pool(builder, call, open_value, "mean", dims[0], keep=result_axes == len(value.axes))


def _stack(builder: Builder, call: Call) -> tuple[Value, ...]:
    if call.argument(1, "dim", 0) != 0:
        raise NotUnderstoodError("stacks along another axis than the first")
    return tuple(builder.plain(item) for item in call.args[0])


def _member(builder: Builder, call: Call) -> Value:
    raise NotUnderstoodError("takes one of several results")


VIEW_CALLS: Mapping[str, Handler] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "aten.contiguous.default", "aten.clone.default", "aten.alias.default",
                "aten.detach.default", "aten.detach_.default", "aten.expand.default",
                "aten.expand_as.default",
            ),
            _same,
        ),
        **dict.fromkeys(
            (
                "aten.view.default", "aten.reshape.default", "aten._unsafe_view.default",
                "aten.flatten.using_ints", "aten.unflatten.int", "aten.unsqueeze.default",
                "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
            ),
            _reshape,
        ),
        **dict.fromkeys(
            ("aten.to.dtype", "aten.to.dtype_layout", "aten.to.device", "aten._to_copy.default"),
            _to_dtype,
        ),
        **dict.fromkeys(("aten.masked_fill.Scalar", "aten.masked_fill.Tensor"), _filled),
        "aten.transpose.int": _transpose,
        "aten.t.default": _transpose_matrix,
        "aten.permute.default": _permute,
        "aten.dropout.default": _dropout,
        "aten.select.int": _select,
        "aten.slice.Tensor": _slice,
        "aten.mean.dim": _mean,
        "aten.sum.dim_IntList": _sum,
        "aten.stack.default": _stack,
        "operator.getitem": _member,
    }
)  # fmt: skip
