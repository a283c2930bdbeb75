"""The op table: from records of calls to IR ops. Collects every fault before it raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import LoweringError
from edgesim.ir.ops import Input
from edgesim.ir.size import SEQUENCE, Size
from edgesim.lowering.attention_calls import ATTENTION_CALLS
from edgesim.lowering.builder import TOKEN_IDS, TOKEN_TYPES, Builder, Emitted
from edgesim.lowering.compute_calls import COMPUTE_CALLS
from edgesim.lowering.fault_text import fault_text
from edgesim.lowering.records import Call, Graph, NotUnderstoodError, Ref
from edgesim.lowering.view_calls import VIEW_CALLS, Handler
from edgesim.lowering.views import Value, fresh

TABLE: Mapping[str, Handler] = MappingProxyType({**VIEW_CALLS, **COMPUTE_CALLS, **ATTENTION_CALLS})
"""Operator name to its handler."""


_PARTS = "it takes a tensor apart; compute the parts by linear layers of their own"
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "aten.cat.": "it joins tensors; a trace has one row per token id, so give an added token "
        "an id and a row of the embedding table",
        "aten.split": _PARTS,
        "aten.chunk": _PARTS,
        "aten.unbind": _PARTS,
        "aten.masked_fill": "it fills values in by a mask",
        "aten.fake_quantize": "fake quantisation of training; take it out and name the format "
        "(activation_format)",
        "aten.cumsum": "it sums over the tokens before each, as causal models do and RoBERTa's "
        "positions (give position_ids from padding_idx + 1)",
        "aten.gather": "it picks elements by an index, as relative positions do",
    }
)
"""What to say of operators that models often use and the table does not hold, by prefix."""


@dataclass(frozen=True)
class LoweredCalls:
    """Ops with provisional tensor names, in execution order."""

    emitted: tuple[Emitted, ...]
    shapes: Mapping[str, tuple[Size, ...]]
    outputs: tuple[str, ...]
    sliced: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Weights that are rows of weights of the graph, such as a third of q, k and v in one."""


def lower_calls(graph: Graph, model_class: str) -> LoweredCalls:
    """Ops of a graph.

    Raises one LoweringError that names every call and output that is not understood.
    """
    builder = Builder(graph)
    builder.values[graph.token_ids] = _given(builder)
    if graph.token_types is not None:
        builder.values[graph.token_types] = fresh(TOKEN_TYPES, (Size(1), SEQUENCE))
    for call in graph.calls:
        _lower_call(builder, call)
    outputs: list[str] = []
    output_faults: list[str] = []
    for position, output in enumerate(graph.outputs):
        try:
            outputs.extend(_output_tensors(builder, output))
        except NotUnderstoodError as fault:
            if fault.calls:
                builder.faults.update(dict.fromkeys(fault.calls, str(fault)))
            else:
                output_faults.append(f"output {position} of the model: {fault}")
    if not (builder.faults or output_faults or outputs):
        raise LoweringError(f"{model_class}: its forward returns no tensor; return the logits")
    if builder.faults or output_faults:
        raise LoweringError(fault_text(builder, output_faults, model_class))
    emitted = _used(builder, outputs)
    return LoweredCalls(emitted, builder.shapes, tuple(outputs), builder.sliced)


def _given(builder: Builder) -> Value:
    """Token ids, or the input tensor of a model without embeddings."""
    graph = builder.graph
    if graph.input_shape is None:
        return fresh(TOKEN_IDS, (Size(1), SEQUENCE))
    output = builder.new_tensor(SEQUENCE, graph.input_shape[-1])
    builder.emit(Call(graph.token_ids, "input", (), graph.input_shape), Input("", (), output))
    return fresh(output, graph.input_shape)


def _used(builder: Builder, outputs: list[str]) -> tuple[Emitted, ...]:
    """Ops without the products of which only column groups are read."""
    read = {name for item in builder.emitted for name in item.op.inputs} | {*outputs}
    unused = builder.split - read
    return tuple(item for item in builder.emitted if item.op.output not in unused)


def _lower_call(builder: Builder, call: Call) -> None:
    handler = TABLE.get(call.target)
    stand_in = builder.stand_in(call)
    if handler is None:
        reasons = (words for start, words in _REASONS.items() if call.target.startswith(start))
        builder.faults[call.name] = next(reasons, "no such operation in the op table")
        builder.values[call.name] = stand_in
        return
    try:
        builder.values[call.name] = handler(builder, call)
    except NotUnderstoodError as fault:
        builder.values[call.name] = stand_in
        if not builder.reads_poison(call):
            for name in fault.calls or (call.name,):
                builder.faults.setdefault(name, str(fault))
    except (ValueError, IndexError, KeyError, AssertionError):
        if not builder.reads_poison(call):  # a stand-in may have any axes
            raise
        builder.values[call.name] = stand_in


def _output_tensors(builder: Builder, output: object) -> list[str]:
    if output is None:
        return []
    if not isinstance(output, Ref):
        raise NotUnderstoodError("a plain value; return tensors only")
    known = builder.values.get(output.name)
    if isinstance(known, tuple):
        return [value.tensor for value in known]
    value = builder.plain(output)
    if not value.is_canonical:
        raise NotUnderstoodError("a transposed view of a tensor; return the tensor itself")
    return [] if value.poisoned else [value.tensor]
