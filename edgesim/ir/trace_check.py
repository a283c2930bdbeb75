"""What is wrong with an op trace: names, shapes, sizes beyond what a simulation can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from edgesim.ir.op import Op, Shape
from edgesim.ir.ops import MOST_TOKENS, Host
from edgesim.ir.optrace import TENSOR_CLASSES, OpTrace, Tensor

MOST_OPS = 20_000
"""BERT-large with an off-ramp behind every layer has 700."""
MOST_TENSORS = 50_000
MOST_ELEMENTS = 2**28
"""Of one weight tensor, and of an activation for one token."""
MOST_WEIGHTS = 2**32
"""Of all weight tensors together."""


def trace_faults(trace: OpTrace) -> list[str]:
    """One line per fault of a trace; none for a sound one."""
    num_ops = sum(1 for _ in trace.all_ops())
    if num_ops > MOST_OPS or len(trace.tensors) > MOST_TENSORS:
        return [
            f"{num_ops} ops and {len(trace.tensors)} tensors; allowed are {MOST_OPS} and "
            f"{MOST_TENSORS}"
        ]
    faults = [*_size_faults(trace)]
    if not faults:
        faults += [*_mask_faults(trace), *_order_faults(trace)]
    return faults


def _size_faults(trace: OpTrace) -> Iterator[str]:
    if not 1 <= trace.max_tokens <= MOST_TOKENS:
        yield f"max_tokens: {trace.max_tokens}; allowed are 1 to {MOST_TOKENS}"
    total = 0
    for tensor in trace.tensors.values():
        yield from _tensor_faults(tensor)
        if tensor.tensor_class != "activation":
            total += tensor.num_elements(0)
    if total > MOST_WEIGHTS:
        yield f"tensors: {total:.3g} weights; allowed are {MOST_WEIGHTS}"


def _tensor_faults(tensor: Tensor) -> Iterator[str]:
    at = f"tensor {tensor.name[:80]!r}"
    if tensor.tensor_class not in TENSOR_CLASSES:
        yield f"{at}: class {tensor.tensor_class!r}; allowed: {', '.join(TENSOR_CLASSES)}"
    is_weight = tensor.tensor_class != "activation"
    if is_weight and any(size.per_token for size in tensor.shape):
        yield f"{at}: the shape of a weight depends on S"
    dims = tensor.dims(1)
    if not 1 <= len(dims) <= 4 or min(dims, default=0) < 1 or math.prod(dims) > MOST_ELEMENTS:
        stated = ", ".join(f"{size.to_json()}"[:24] for size in tensor.shape[:6])
        yield (
            f"{at}: shape ({stated}); allowed are 1 to 4 sizes of at least 1, and "
            f"{MOST_ELEMENTS} elements"
        )
    shares = {"density": tensor.density, "null_vector_fraction": tensor.null_vector_fraction}
    for name, share in shares.items():
        if share is not None and not 0 <= share <= 1:
            yield f"{at}: {name} {share}; allowed are 0 to 1"
    if tensor.largest is not None and not 0 <= tensor.largest < math.inf:
        yield f"{at}: largest {tensor.largest}; a finite magnitude is wanted"


def _mask_faults(trace: OpTrace) -> Iterator[str]:
    for name, packed in trace.masks.items():
        tensor = trace.tensors.get(name)
        if tensor is None or tensor.tensor_class == "activation":
            yield f"mask of {name[:80]!r}: there is no weight of that name"
        elif packed.dtype != np.uint8 or packed.shape != (-(-tensor.num_elements(0) // 8),):
            yield f"mask of {name[:80]!r}: {packed.dtype} {packed.shape} for {tensor.dims(0)}"
    counts = trace.token_counts
    if counts is not None and (counts.ndim != 1 or counts.dtype.kind not in "iu" or
                               (counts < 0).any()):  # fmt: skip
        yield "token_counts: a vector of counts is wanted"


def _order_faults(trace: OpTrace) -> Iterator[str]:
    """Ops read what was written before them, of the shapes that they need."""
    if not trace.layers:
        yield "layers: none; at least one is wanted"
    made: set[str] = set()
    for op in trace.all_ops():
        fault = _name_fault(op, trace.tensors, made)
        if fault is None:
            fault = _shape_fault(op, {name: t.shape for name, t in _used(op, trace.tensors)})
        if fault is not None:
            yield f"{op.kind} {op.name[:80]!r}: {fault}"
        made.add(op.output)
    for number, layer in enumerate(trace.layers, start=1):
        if layer.index != number:
            yield f"layers[{number - 1}].index: {layer.index!r}; {number} is wanted"
    for name in trace.outputs:
        if name not in made:
            yield f"outputs: no op writes {name[:80]!r}"


def _used(op: Op, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name in (*op.inputs, *op.weights, op.output):
        yield name, tensors[name]


def _name_fault(op: Op, tensors: Mapping[str, Tensor], made: set[str]) -> str | None:
    wanted = op.num_inputs
    if len(op.inputs) != wanted and not (isinstance(op, Host) and len(op.inputs) == 2):
        return f"reads {len(op.inputs)} activations; {wanted} wanted"
    for name in op.inputs:
        if name not in made:
            return f"reads {name[:80]!r}, which no op before it writes"
    for name in (*op.weights, op.output):
        tensor = tensors.get(name)
        if tensor is None or (tensor.tensor_class == "activation") != (name == op.output):
            kind = "activation" if name == op.output else "weight"
            return f"names {name[:80]!r}; there is no {kind} of that name"
    return None


def _shape_fault(op: Op, shapes: Mapping[str, Shape]) -> str | None:
    """What does not fit about the shapes around an op, or about its own numbers."""
    output, inputs = shapes[op.output], [shapes[name] for name in op.inputs]
    weights = [shapes[name] for name in op.weights]
    if not op.fits(inputs, weights, output):
        texts = [str(tuple(s.to_json() for s in shape)) for shape in (*inputs, *weights, output)]
        return f"its tensors do not fit together: {' '.join(texts)[:160]}"
    return op.wrong_value()
