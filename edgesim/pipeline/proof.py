"""The proof of a lowering: trace and module executed on the same sentences must agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import LoweringError
from edgesim.functional.float32 import execute
from edgesim.ir.ops import Embedding, Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.proof import TOLERANCE, Proof

if TYPE_CHECKING:
    from edgesim.lowering.lowering import Lowered
    from edgesim.lowering.reference import Sentence

LONGEST = 512
"""Tokens of the longest sentence of a proof; relative positions differ only in long ones."""
_SHORT = (5, 7)
"""Tokens of the short sentence; the second where the caller's has the first's length."""

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Row:
    """Outputs of one sentence, and the largest magnitude among the operands of each."""

    sentence: Sentence
    wanted: list[Array]
    got: list[Array]
    operands: list[float]


def proved(lowered: Lowered) -> OpTrace:
    """The trace with its proof.

    Plays the caller's sentence, a short one and one of min(max_tokens, LONGEST) random tokens,
    op by op in float32. Raises LoweringError that names the first op whose values depart from the
    module's.
    """
    trace, reference = lowered.trace, lowered.reference
    vocabulary = _vocabulary(trace)
    given = reference.given(vocabulary)
    rows, remarks = [_played(lowered, given, reference.outputs(given))], []
    for length in _lengths(given.num_tokens, trace.max_tokens):
        sentence = reference.random(length, vocabulary)
        try:
            wanted = reference.outputs(sentence)
        except LoweringError as error:
            if len(reference.example.arguments) == 1:
                raise
            remarks.append(f"not at {length} tokens, to which {_others(lowered)} cannot be "
                           f"continued ({error})")  # fmt: skip
            continue
        rows.append(_played(lowered, sentence, wanted))
    worst = max((d for d, _ in _differences(rows)), default=0.0)
    if not worst <= TOLERANCE:
        raise _departure(lowered, rows)
    lengths = tuple(row.sentence.num_tokens for row in rows)
    return replace(trace, proof=Proof(lengths, _rounded_up(worst), tuple(remarks)))


def _rounded_up(difference: float) -> float:
    """The next power of ten, so that the order of sums, which differs by machine, does not show."""
    return 10.0 ** math.ceil(math.log10(difference)) if difference else 0.0


def _others(lowered: Lowered) -> str:
    example = lowered.reference.example
    return ", ".join(name for name in example.arguments if name != example.token_ids)


def _vocabulary(trace: OpTrace) -> int | None:
    """Rows of the smallest table that token ids choose from; None for a trace without one."""
    tables = [op for op in trace.all_ops() if isinstance(op, Embedding) and op.index == "token"]
    return min((trace.tensors[op.table].shape[0].fixed for op in tables), default=None)


def _lengths(given: int, max_tokens: int) -> list[int]:
    """Lengths beside the caller's: one short, one long."""
    short = _SHORT[0] if given != _SHORT[0] else _SHORT[1]
    wanted = {min(n, max_tokens) for n in (short, min(max_tokens, LONGEST))}
    return sorted(n for n in wanted - {given} if n >= 2)


def _played(lowered: Lowered, sentence: Sentence, wanted: list[Array]) -> _Row:
    trace = lowered.trace
    last = {op.output: op for op in trace.all_ops()}
    inputs = {name for output in trace.outputs for name in last[output].inputs}
    values = execute(
        trace, sentence.tokens, sentence.token_types, keep={*trace.outputs, *inputs},
        sums=np.float32,
    )  # fmt: skip
    groups = _groups(lowered, [array.size for array in wanted], values, sentence)
    operands = [
        max((_largest(values[i]) for name in group for i in last[name].inputs if i in values),
            default=0.0)
        for group in groups
    ]  # fmt: skip
    got = [np.concatenate([values[name].reshape(-1) for name in group]) for group in groups]
    return _Row(sentence, [a.reshape(-1) for a in wanted], got, operands)


def _groups(
    lowered: Lowered, sizes: list[int], values: dict[str, Array], sentence: Sentence
) -> list[list[str]]:
    """Outputs of the trace behind every output of the module; a stack of logits is several."""
    left = list(lowered.trace.outputs)
    groups: list[list[str]] = []
    for size in sizes:
        group: list[str] = []
        while left and sum(values[name].size for name in group) < size:
            group.append(left.pop(0))
        groups.append(group)
    elements = [sum(values[name].size for name in group) for group in groups]
    if left or elements != sizes:
        raise LoweringError(
            f"{lowered.reference.name}: for {sentence.num_tokens} tokens the module returns "
            f"tensors of {sizes} elements, its trace of {elements}; return the same tensors for "
            "every sentence"
        )
    return groups


def _largest(array: NDArray[Any]) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _differences(rows: list[_Row]) -> Iterator[tuple[float, _Row]]:
    """Relative difference of every output and sentence."""
    for position in range(len(rows[0].wanted)):
        scale = max(max(_largest(r.wanted[position]), r.operands[position]) for r in rows)
        for row in rows:
            difference = _largest(row.got[position] - row.wanted[position])
            yield (difference / scale if scale else difference), row


def _departure(lowered: Lowered, rows: list[_Row]) -> LoweringError:
    """The error for a trace that is another model: names the first op that departs."""
    worst, row = max(_differences(rows), key=lambda pair: np.nan_to_num(pair[0], nan=np.inf))
    reference, tokens = lowered.reference, row.sentence.num_tokens
    calls, graph_outputs = reference.calls(row.sentence)
    much = f"by {worst:.1e} of its largest value for a sentence of {tokens} tokens"
    pairs = zip(row.wanted, graph_outputs, strict=False)
    if any(_apart(np.asarray(a), b.reshape(-1)) for a, b in pairs if a.size == b.size):
        return LoweringError(
            f"{reference.name}: what torch.export captured departs from the module {much}; its "
            "forward depends on something besides its arguments and weights, such as random "
            "numbers, values kept between calls, or half precision inside a float32 model; take "
            "that out"
        )
    op = _first_departing(lowered, row.sentence, calls)
    place = "" if op is None else f" at op {op.name} ({op.kind}, module {_path(lowered, op)})"
    return LoweringError(
        f"{reference.name}: its trace departs from the module{place}; an output differs {much}. "
        "Replace the construct there by plain attention, linear layers, norms and activations"
    )


def _path(lowered: Lowered, op: Op) -> str:
    return lowered.reference.origins[op.name][1] or "itself"


def _first_departing(lowered: Lowered, sentence: Sentence, calls: dict[str, Array]) -> Op | None:
    """The first op whose elements are not those of the call that it ends, in any order."""
    ends = {
        op.output: lowered.reference.origins[op.name][0]
        for op in lowered.trace.all_ops()
        if op.name in lowered.reference.origins
    }
    values = execute(lowered.trace, sentence.tokens, sentence.token_types, keep=set(ends))
    for op in lowered.trace.all_ops():
        call = calls.get(ends.get(op.output, ""))
        value = values.get(op.output)
        if call is None or value is None or value.size != call.size:
            continue
        if _apart(np.sort(value, axis=None), call):
            return op
    return None


def _apart(first: Array, second: Array) -> bool:
    scale = max(_largest(first), _largest(second), 1e-30)
    return not _largest(first - second) <= TOLERANCE * scale
