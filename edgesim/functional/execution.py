"""A trace executed on values, op by op, in any arithmetic: logits, entropies, exits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.functional.batch import Batch, batches
from edgesim.ir.ops import Activation, Entropy, MatMul, Op
from edgesim.ir.optrace import OpTrace

Observer = Callable[[Op, Any], None]
"""Called with every executed op and its output; an activation that is fused stands for both."""


class Arithmetic(Protocol):
    """How ops compute; the type of a tensor is the arithmetic's own, sentences come first."""

    def fuses(self, function: str) -> bool:
        """Whether an activation takes the accumulators of the product before it."""

    def values(self, value: Any) -> NDArray[np.floating]:
        """What a tensor means."""

    def leaves(self, entropies: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """Whether sentences with these entropies leave at this threshold in nats."""

    def run(
        self, op: Op, operands: list[Any], batch: Batch, fused: Activation | None = None
    ) -> Any:
        """The output of one op, or of the activation fused behind its accumulators."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a trace answers to sentences."""

    logits: NDArray[np.float32]
    """(sentences, ramps, labels); one ramp without exits."""
    entropies: NDArray[np.float64] | None
    """Nats, (sentences, layers); None without off-ramps."""


def execute_batch(
    trace: OpTrace, batch: Batch, arithmetic: Arithmetic, observe: Observer | None = None
) -> dict[str, Any]:
    """Tensors of a batch: logits, entropies and outputs; others are dropped behind their last use.

    Activations that the arithmetic fuses take accumulators; the product's own output does not
    exist then.
    """
    sequence = [op for op in trace.all_ops() if op.unit != "exit"]
    kept = set(trace.outputs) | set(answer_tensors(trace))
    uses = Counter(name for op in sequence for name in op.inputs)
    uses.update(kept)
    tensors: dict[str, Any] = {}
    skip: Op | None = None
    for op, following in zip(sequence, [*sequence[1:], None], strict=True):
        if op is skip:
            continue
        fused = _fused(op, following, uses, arithmetic)
        skip, last = (following, fused) if fused is not None else (None, op)
        assert last is not None
        operands = [tensors[name] for name in op.inputs]
        tensors[last.output] = arithmetic.run(op, operands, batch, fused)
        if observe is not None:
            observe(last, tensors[last.output])
        for name in op.inputs:
            uses[name] -= 1
            if uses[name] == 0:
                del tensors[name]
    return {name: tensors[name] for name in kept if name in tensors}


def _fused(
    op: Op, following: Op | None, uses: Counter[str], arithmetic: Arithmetic
) -> Activation | None:
    """The activation right behind a product whose output nothing else reads."""
    if not isinstance(op, MatMul) or not isinstance(following, Activation):
        return None
    alone = following.inputs == (op.output,) and uses[op.output] == 1
    return following if alone and arithmetic.fuses(following.function) else None


def answer_tensors(trace: OpTrace) -> tuple[str, ...]:
    """Logits of every ramp, then their entropies; without off-ramps the last output."""
    if not trace.has_exits:
        return trace.outputs[-1:]
    entropies = [op for layer in trace.layers for op in layer.ramp if isinstance(op, Entropy)]
    return (*(op.inputs[0] for op in entropies), *(op.output for op in entropies))


def execute_all(
    trace: OpTrace, sentences: Sequence[Any], arithmetic: Arithmetic, *,
    pad_to: int | None = None, observe: Callable[[Batch, Op, Any], None] | None = None,
    label: str = "execute",
) -> Answers:  # fmt: skip
    """Logits and entropies of every off-ramp for sentences of token ids, in their order.

    With `pad_to` every sentence is padded and its padding masked, which changes no answer.
    InputError where the trace has no answer (rows, labels) to give.
    """
    names = answer_tensors(trace)
    shape = trace.tensors[names[0]].shape
    if len(shape) != 2 or shape[0].at(2) != 1:
        raise InputError(
            f"trace {trace.name!r} answers nothing about a sentence: it has neither off-ramps "
            "nor a classifier; use --arithmetic float32"
        )
    num_ramps = len(names) // 2 or 1
    logits = np.empty((len(sentences), num_ramps, shape[1].fixed), dtype=np.float32)
    entropies = np.empty((len(sentences), num_ramps)) if trace.has_exits else None
    with tqdm(total=len(sentences), desc=label, disable=None) as bar:
        for rows, batch in batches(trace, sentences, pad_to):
            watch = None if observe is None else _bound(observe, batch)
            found = execute_batch(trace, batch, arithmetic, watch)
            for ramp, name in enumerate(names[:num_ramps]):
                logits[rows, ramp] = arithmetic.values(found[name])[:, 0]
            if entropies is not None:
                for ramp, name in enumerate(names[num_ramps:]):
                    entropies[rows, ramp] = arithmetic.values(found[name])[:, 0, 0]
            bar.update(len(rows))
    return Answers(logits, entropies)


def _bound(observe: Callable[[Batch, Op, Any], None], batch: Batch) -> Observer:
    return lambda op, value: observe(batch, op, value)
