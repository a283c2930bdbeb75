"""What is wrong with an op trace: names, shapes, sizes beyond what a simulation can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from edgesim.ir.ops import (
    ACTIVATIONS,
    INDICES,
    POOLINGS,
    Activation,
    Add,
    AttentionContext,
    AttentionScores,
    Embedding,
    Entropy,
    ExitCheck,
    Host,
    Input,
    LayerNorm,
    MatMul,
    Op,
    Pool,
    Relayout,
)
from edgesim.ir.optrace import TENSOR_CLASSES, OpTrace, Tensor
from edgesim.ir.size import SEQUENCE, Size

MOST_OPS = 20_000
"""BERT-large with an off-ramp behind every layer has 700."""
MOST_TENSORS = 50_000
MOST_TOKENS = 2**31 - 1
MOST_ELEMENTS = 2**28
"""Of one weight tensor, and of an activation for one token."""
MOST_WEIGHTS = 2**32
"""Of all weight tensors together."""
NUM_INPUTS = {Input: 0, Embedding: 0, Add: 2, AttentionScores: 2, AttentionContext: 2}
"""Activations that an op reads; one where it is not listed."""

Shape = tuple[Size, ...]
_ONE = Size(1)


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
    wanted = NUM_INPUTS.get(type(op), 1)
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
    out, ins = shapes[op.output], [shapes[name] for name in op.inputs]
    weights = [shapes[name] for name in op.weights]
    wanted: Sequence[Shape | None]
    if isinstance(op, MatMul):
        fits = len(weights[0]) == 2 and ins[0][-1] == weights[0][1]
        wanted = [(*ins[0][:-1], weights[0][0]) if fits else None]
        wanted += [None] if weights[1:] not in ([], [weights[0][:1]]) else []
    elif isinstance(op, Embedding):
        wanted = [(SEQUENCE, weights[0][1]) if len(weights[0]) == 2 else None]
    elif isinstance(op, AttentionScores | AttentionContext):
        wanted = _attention_shapes(op, ins)
    elif isinstance(op, LayerNorm):
        wanted = [ins[0] if weights == [ins[0][-1:]] * 2 else None]
    elif isinstance(op, Pool):
        wanted = [(_ONE, ins[0][1]) if len(ins[0]) == 2 else None]
    elif isinstance(op, Relayout):
        wanted = [ins[0][::-1] if len(ins[0]) == 2 else None]
    elif isinstance(op, Entropy):
        wanted = [(_ONE, _ONE) if ins[0][:-1] == (_ONE,) else None]
    elif isinstance(op, ExitCheck):
        wanted = [out]
    else:
        wanted = ins or [out]
    if any(shape != out for shape in wanted):
        texts = [str(tuple(s.to_json() for s in shape)) for shape in (*ins, *weights, out)]
        return f"its tensors do not fit together: {' '.join(texts)[:160]}"
    return _word_fault(op)


def _attention_shapes(
    op: AttentionScores | AttentionContext, ins: list[Shape]
) -> list[Shape | None]:
    heads, inner = Size(op.num_heads), Size(op.num_heads * op.head_size)
    if isinstance(op, AttentionScores):
        fits = ins == [(SEQUENCE, inner)] * 2 and len(op.spans) == op.num_heads
        return [(heads, SEQUENCE, SEQUENCE) if fits else None]
    fits = ins == [(heads, SEQUENCE, SEQUENCE), (inner, SEQUENCE)]
    if op.present:
        fits = fits and sum(op.present) == op.num_heads
        inner = Size(len(op.present) * op.head_size)
    return [(SEQUENCE, inner) if fits else None]


def _word_fault(op: Op) -> str | None:
    """A word or number of an op that no lowering writes."""
    if isinstance(op, Activation) and op.function not in ACTIVATIONS:
        return f"function {op.function[:40]!r}; allowed: {', '.join(ACTIVATIONS)}"
    if isinstance(op, Pool) and op.pooling not in POOLINGS:
        return f"pooling {op.pooling[:40]!r}; allowed: {', '.join(POOLINGS)}"
    if isinstance(op, Embedding) and op.index not in INDICES:
        return f"index {op.index[:40]!r}; allowed: {', '.join(INDICES)}"
    if isinstance(op, AttentionScores):
        if any(span is not None and not 0 <= span <= MOST_TOKENS for span in op.spans):
            return f"a span outside 0 to {MOST_TOKENS}"
        if not math.isfinite(op.scale):
            return f"scale {op.scale}"
    if isinstance(op, LayerNorm) and not 0 <= op.epsilon < math.inf:
        return f"epsilon {op.epsilon}"
    return None
