"""Attention, fused or written out: scores, softmax, the transpose of V, context."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgesim.ir.ops import AttentionContext, AttentionScores, Relayout, Softmax
from edgesim.ir.size import SEQUENCE, Size
from edgesim.lowering.builder import Builder, Scores
from edgesim.lowering.pointwise import scale_factor
from edgesim.lowering.records import Call, Constant, NotUnderstoodError
from edgesim.lowering.view_calls import Handler
from edgesim.lowering.views import TOKENS, Atom, Axis, Value, axis_index, extent, swap


@dataclass(frozen=True)
class _Heads:
    """A projection (S, heads · head_size) seen as (heads, S, head_size)."""

    value: Value
    num_heads: int
    head_size: int
    scale: float


def _heads(builder: Builder, value: Value) -> _Heads:
    """How a value splits into heads; its elements must lie as (S, heads, head_size)."""
    lead, (heads, tokens, size) = value.axes[:-3], ((), (), *value.axes)[-3:]
    scale = scale_factor(value.function)
    if scale is None or value.summed_over_tokens or value.tensor in builder.scores:
        raise NotUnderstoodError("attention on an elementwise function", value.pending)
    if any(lead) or extent(tokens) != TOKENS or (*tokens, *heads, *size) != value.atoms:
        raise NotUnderstoodError("attention on something else than heads of (S, heads · size)")
    num_heads, head_size = extent(heads), extent(size)
    if num_heads[1] or head_size[1]:
        raise NotUnderstoodError("attention over heads that depend on the number of tokens")
    return _Heads(value, num_heads[0], head_size[0], scale)


def _axes(num_heads: int, *inner: Atom) -> tuple[Axis, ...]:
    heads = () if num_heads == 1 else (Atom("heads", num_heads),)
    return (heads, *((atom,) if atom.extent != (1, 0) else () for atom in inner))


def _score_tensor(builder: Builder, query: _Heads, key: _Heads, rank: int) -> Value:
    if (query.num_heads, query.head_size) != (key.num_heads, key.head_size):
        raise NotUnderstoodError("queries and keys with different heads")
    output = builder.new_tensor(Size(query.num_heads), SEQUENCE, SEQUENCE)
    axes = _axes(query.num_heads, Atom("rows", *TOKENS), Atom("columns", *TOKENS))
    builder.scores[output] = Scores(
        query.value.tensor, key.value.tensor, query.num_heads, query.head_size,
        query.scale * key.scale,
    )  # fmt: skip
    atoms = tuple(atom for axis in axes for atom in axis)
    return Value(output, atoms, (*((),) * (rank - 3), *axes)[-rank:])


def _emit_softmax(
    builder: Builder, call: Call, value: Value, factor: float,
    spans: tuple[int | None, ...] = (None,),
) -> Value:  # fmt: skip
    scores = builder.scores[value.tensor]
    each = spans * scores.num_heads if len(spans) == 1 else spans
    builder.emit(
        call,
        AttentionScores(
            "", (scores.query, scores.key), value.tensor, scores.num_heads, scores.head_size,
            scores.scale * factor, each,
        ),
    )  # fmt: skip
    output = builder.new_tensor(*builder.shapes[value.tensor])
    builder.emit(call, Softmax("", (value.tensor,), output))
    builder.probabilities.add(output)
    return Value(output, value.atoms, value.axes)


def _softmax(builder: Builder, call: Call) -> Value:
    value = builder.value(call.args[0])
    last = axis_index(value, int(call.argument(1, "dim"))) == len(value.axes) - 1
    if value.tensor not in builder.scores or not last or not value.is_canonical:
        raise NotUnderstoodError("a softmax of something else than attention scores")
    factor = scale_factor(value.function)
    if factor is None:
        raise NotUnderstoodError("attention scores under an elementwise function", value.pending)
    return _emit_softmax(builder, call, value, factor)


def _context(builder: Builder, call: Call, probabilities: Value, values: Value) -> Value:
    heads = _heads(builder, values)
    if heads.scale != 1.0:
        raise NotUnderstoodError("attention on scaled values", values.pending)
    num_heads = builder.shapes[probabilities.tensor][0].fixed
    if not probabilities.is_canonical or num_heads != heads.num_heads:
        raise NotUnderstoodError("values with other heads than the attention")
    width = Size(heads.num_heads * heads.head_size)
    transposed = builder.new_tensor(width, SEQUENCE)
    builder.emit(call, Relayout("", (values.tensor,), transposed))
    output = builder.new_tensor(SEQUENCE, width)
    inputs = (probabilities.tensor, transposed)
    builder.emit(call, AttentionContext("", inputs, output, num_heads, heads.head_size))
    head, tokens, size = _axes(num_heads, Atom("tokens", *TOKENS), Atom("size", heads.head_size))
    rank = len(values.axes)
    axes = (*((),) * (rank - 3), head, tokens, size)[-rank:]
    return Value(output, (*tokens, *head, *size), axes)


def _matmul(builder: Builder, call: Call) -> Value:
    first, second = builder.value(call.args[0]), builder.value(call.args[1])
    if len(first.axes) != len(second.axes) or len(first.axes) < 2:
        raise NotUnderstoodError("a product of activations that is no attention")
    if first.tensor in builder.probabilities:
        return _context(builder, call, builder.plain(call.args[0]), second)
    query, key = _heads(builder, first), _heads(builder, swap(second, -1, -2))
    return _score_tensor(builder, query, key, len(first.axes))


def _spans(builder: Builder, call: Call, num_heads: int) -> tuple[int | None, ...]:
    """Spans of the heads in a boolean mask over token distance; whole sentences without one."""
    mask = call.argument(3, "attn_mask")
    if mask is None:
        return (None,)
    constant = builder.operand(mask)
    if isinstance(constant, Constant):
        if constant.equals(float(constant.is_boolean)):
            return (None,)
        if constant.is_boolean and constant.equals(0.0):
            if constant.arguments:
                raise NotUnderstoodError(
                    f"attention with a mask that hides every token{constant.origin()}"
                )
            return (0,)
        if constant.spans is not None and len(constant.spans) in (1, num_heads):
            return constant.spans
    origin = constant.origin() if isinstance(constant, Constant) else ""
    raise NotUnderstoodError(f"attention with a mask that hides some of the tokens{origin}")


def _check_options(call: Call) -> None:
    if call.argument(5, "is_causal", False):
        raise NotUnderstoodError("causal attention")
    if call.argument(4, "dropout_p", 0.0):
        raise NotUnderstoodError("attention dropout that stays active in evaluation")
    if call.argument(7, "enable_gqa", False):
        raise NotUnderstoodError("grouped queries")


def _fused(builder: Builder, call: Call) -> Value:
    _check_options(call)
    first, second, values = (builder.value(argument) for argument in call.args[:3])
    query, key = _heads(builder, first), _heads(builder, second)
    scale = call.argument(6, "scale")
    scores = _score_tensor(builder, query, key, len(first.axes))
    factor = 1 / math.sqrt(query.head_size) if scale is None else float(scale)
    spans = _spans(builder, call, query.num_heads)
    return _context(builder, call, _emit_softmax(builder, call, scores, factor, spans), values)


ATTENTION_CALLS: Mapping[str, Handler] = MappingProxyType(
    {
        "aten.scaled_dot_product_attention.default": _fused,
        "aten.softmax.int": _softmax,
        "aten._softmax.default": _softmax,
        "aten.matmul.default": _matmul,
        "aten.bmm.default": _matmul,
    }
)
