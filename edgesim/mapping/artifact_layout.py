"""Orders of vectors in which tensors lie in storage, and the host's work to change them.

A product reads and writes tiles: n rows of one column tile, then the next. The special functions
read a row as consecutive vectors. Both are one where a row is a single vector.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgesim.ir.ops import (
    Add,
    AttentionContext,
    AttentionScores,
    LayerNorm,
    MatMul,
    Op,
    Softmax,
)
from edgesim.ir.optrace import OpTrace
from edgesim.ir.program import OpProgram
from edgesim.units import ceil_div

TILES, ROWS, HEADS, FREE = "tiles", "rows", "heads", "free"
"""`heads`: each head in tiles of its own, where heads share tiles. `free`: the host wrote it, in
whatever order its first reader wants."""
BITS_PER_HOST_ELEMENT = 9
"""One byte and its mask bit."""


def written_order(op: Op) -> str:
    """The order in which an op leaves its result."""
    if isinstance(op, (MatMul, AttentionScores, AttentionContext, Add)):
        return TILES
    return ROWS if isinstance(op, (Softmax, LayerNorm)) else FREE


@dataclass
class Layouts:
    """Orders in which each tensor of a segment lies in storage so far."""

    trace: OpTrace
    num_tokens: int
    vector_size: int
    medium: str
    known: dict[str, set[str]] = field(default_factory=dict)
    turned: set[str] = field(default_factory=set)
    """Transposes that a product wrote as such."""

    @classmethod
    def at_entry(cls, trace: OpTrace, num_tokens: int, vector_size: int, medium: str) -> Layouts:
        """The orders that producers of the whole trace leave behind."""
        known = {op.output: {written_order(op)} for op in trace.all_ops()}
        return cls(trace, num_tokens, vector_size, medium, known)

    def written(self, tensor: str, order: str) -> None:
        """Note the only order of a tensor that was just written."""
        self.known[tensor] = {order}

    def has(self, tensor: str, order: str) -> bool:
        """Whether a tensor can be read in that order without work of the host."""
        found = self.known.get(tensor, {FREE})
        return order in found or FREE in found or self._same(tensor, order, found)

    def need(self, tensor: str, order: str) -> list[OpProgram]:
        """What the host has to do before a tensor can be read in an order."""
        found = self.known.setdefault(tensor, {FREE})
        if FREE in found:
            self.known[tensor] = {order}
            return []
        if order in found or self._same(tensor, order, found):
            return []
        found.add(order)
        return [self.host(f"{tensor} as {order}", "relayout", "relayout", [tensor], [tensor])]

    def host(
        self, name: str, kind: str, function: str, read: Iterable[str], written: Iterable[str],
        share: float = 1.0, table: str = "",
    ) -> OpProgram:  # fmt: skip
        """Host work over a `share` of the elements of what it reads, or writes if it reads none."""
        counts = [
            sum(self.trace.tensors[name].num_elements(self.num_tokens) for name in names)
            for names in (list(read), list(written))
        ]
        elements = round((max(counts) if table else counts[0] or counts[1]) * share)
        return OpProgram(
            name, kind, medium=self.medium, host_function=function, host_elements=elements,
            host_read_bits=round(counts[0] * share) * BITS_PER_HOST_ELEMENT,
            host_write_bits=round(counts[1] * share) * BITS_PER_HOST_ELEMENT, table=table,
        )  # fmt: skip

    def _same(self, tensor: str, order: str, found: set[str]) -> bool:
        """Whether rows and tiles are one: a row is a single vector."""
        if order == HEADS or not found & {ROWS, TILES}:
            return False
        width = self.trace.tensors[tensor].dims(self.num_tokens)[-1]
        return ceil_div(width, self.vector_size) == 1
