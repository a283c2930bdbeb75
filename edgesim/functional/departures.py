"""By how much every op of a trace departs from float32 in another arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.batch import batches
from edgesim.functional.execution import Arithmetic, execute_batch
from edgesim.functional.float32 import float32_arithmetic
from edgesim.ir.ops import Op
from edgesim.ir.optrace import OpTrace


@dataclass
class Departure:
    """One op over all sentences; padding never occurs."""

    layer: int
    """1-based; 0 for the embedding, one more than the last for the epilogue."""
    name: str
    kind: str
    squared_error: float = 0.0
    squared_value: float = 0.0
    largest_error: float = 0.0

    @property
    def relative(self) -> float:
        """Root mean square of the difference over that of the float32 value; 0 for zeros."""
        if not self.squared_value:
            return 0.0 if not self.squared_error else math.inf
        return math.sqrt(self.squared_error / self.squared_value)


def departures(
    trace: OpTrace, sentences: Sequence[Any], arithmetic: Arithmetic
) -> tuple[Departure, ...]:
    """A record per executed op in order; a product that is fused stands under its activation.

    Errors are those of the whole way up to the op, not of the op alone.
    """
    plain = float32_arithmetic(trace)
    found = {}
    for layer, ops in _by_layer(trace):
        found.update({op.output: Departure(layer, op.name, op.kind) for op in ops})
    seen: set[str] = set()
    for _, batch in batches(trace, sentences):
        expected: dict[str, NDArray[np.float32]] = {}

        def keep(op: Op, value: Any, into: dict[str, Any] = expected) -> None:
            into[op.output] = plain.values(value)

        def compare(op: Op, value: Any, to: dict[str, Any] = expected) -> None:
            seen.add(op.output)
            _add(found[op.output], np.asarray(arithmetic.values(value)), to.pop(op.output))

        execute_batch(trace, batch, plain, keep)
        execute_batch(trace, batch, arithmetic, compare)
    return tuple(row for name, row in found.items() if name in seen)


def _by_layer(trace: OpTrace) -> list[tuple[int, tuple[Op, ...]]]:
    layers = [(layer.index, layer.ops + layer.ramp) for layer in trace.layers]
    return [(0, trace.prologue), *layers, (trace.num_layers + 1, trace.epilogue)]


def _add(row: Departure, value: NDArray[np.floating], expected: NDArray[np.float32]) -> None:
    """Account for one tensor of one batch."""
    wanted = expected.astype(np.float64)
    error = value - wanted
    row.squared_error += float(np.sum(error * error))
    row.squared_value += float(np.sum(wanted * wanted))
    row.largest_error = max(row.largest_error, float(np.max(np.abs(error), initial=0.0)))
