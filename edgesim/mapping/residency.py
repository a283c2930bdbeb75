"""Which activations stay on chip: the plan of least storage traffic, by branch and bound.

The two operand memories are one pool, less the slots of the weight stream: `flip_mem` directs every
output to either memory, and tensors may be split between them at tile granularity (assumed).
Partial sums never leave the accumulators, so a product needs whole reduction rows on chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.mapping.draft import Draft
from edgesim.units import ceil_div


@dataclass(frozen=True)
class Budget:
    """On-chip room of a segment."""

    pool_bits: int
    """Data bits of both operand memories, stream slots taken off."""
    operand_bits: int
    """Data bits of the memory that holds the activation operand of a product."""
    vector_size: int
    element_bits: int
    may_spill: bool
    """Whether activations have a second medium."""


@dataclass(frozen=True)
class OpChoice:
    """How one op is executed under a residency: row blocks, order and passes."""

    row_blocks: tuple[int, ...]
    order: str
    load_passes: int
    """Passes over each spilled input."""


@dataclass(frozen=True)
class Residency:
    """Spilled tensors and a choice per op; `traffic_bits` is what the segment moves."""

    spilled: frozenset[str]
    choices: tuple[OpChoice, ...]
    traffic_bits: int
    peak_bits: int


@dataclass(frozen=True)
class Shortage:
    """The op that fits under no residency, and the room it misses."""

    op: str
    demand_bits: int
    room_bits: int


class ResidencySearch:
    """Searches the residency of least traffic for one segment."""

    def __init__(
        self, drafts: Sequence[Draft], tensor_bits: dict[str, int], weight_bits: Sequence[int],
        chunk_columns: Sequence[int], budget: Budget, kept: frozenset[str],
    ) -> None:  # fmt: skip
        self.drafts = drafts
        self.tensor_bits = tensor_bits
        self.weight_bits = weight_bits
        self.chunk_columns = chunk_columns
        self.budget = budget
        self.live = _live_tensors(drafts, kept)
        self.producer = {draft.output: i for i, draft in enumerate(drafts) if draft.output}
        self.best: Residency | None = None
        self.shortage: Shortage | None = None
        self.seen: set[frozenset[str]] = set()

    def solve(self) -> Residency | Shortage:
        """The best residency, or the shortage that rules all of them out."""
        self._visit(frozenset())
        if self.best is not None:
            return self.best
        assert self.shortage is not None
        return self.shortage

    def _visit(self, spilled: frozenset[str]) -> None:
        if spilled in self.seen:
            return
        self.seen.add(spilled)
        traffic = sum(self.tensor_bits[name] for name in spilled)
        choices: list[OpChoice] = []
        peak = 0
        for index, draft in enumerate(self.drafts):
            resident = self._resident_bits(index, spilled)
            choice = self._choose(index, draft, spilled, resident)
            if isinstance(choice, Shortage):
                self.shortage = choice
                if self.budget.may_spill:
                    for name in sorted(self.live[index] - spilled):
                        self._visit(spilled | {name})
                return
            choices.append(choice)
            peak = max(peak, resident)
            traffic += self._op_traffic(index, draft, spilled, choice)
            if self.best is not None and traffic >= self.best.traffic_bits:
                return
        self.best = Residency(spilled, tuple(choices), traffic, peak)

    def _resident_bits(self, index: int, spilled: frozenset[str]) -> int:
        """Live tensors on chip while an op runs; a dying input makes room for a vector output."""
        draft = self.drafts[index]
        names = set(self.live[index] - spilled)
        if draft.unit in ("sfu", "host") and draft.output in names:
            later = self.live[index + 1] if index + 1 < len(self.live) else frozenset()
            if any(name in names and name not in later for name in draft.inputs):
                names.discard(draft.output or "")
        return sum(self.tensor_bits[name] for name in names)

    def _op_traffic(
        self, index: int, draft: Draft, spilled: frozenset[str], choice: OpChoice
    ) -> int:
        loads = sum(self.tensor_bits[name] for name in draft.inputs if name in spilled)
        weights = self.weight_bits[index]
        passes = len(choice.row_blocks) if choice.order == "row_blocked" else 1
        return loads * choice.load_passes + weights * passes

    def _choose(
        self, index: int, draft: Draft, spilled: frozenset[str], resident_bits: int
    ) -> OpChoice | Shortage:
        budget, n = self.budget, self.budget.vector_size
        room = budget.pool_bits - resident_bits
        row_bits = draft.reduction * budget.element_bits
        if draft.in_attention:
            return self._choose_attention(draft, spilled, room)
        if not draft.is_product:
            streams = sum(name in spilled for name in (*draft.inputs, draft.output or ""))
            need = streams * row_bits * (n if draft.op.kind == "relayout" else 2)
            if need > room:
                return Shortage(draft.op.name, need, room)
            return OpChoice((draft.rows,), "activation_resident", 1)
        if draft.output in spilled:
            padded = ceil_div(draft.rows, n) * n
            room -= padded * self.chunk_columns[index] * budget.element_bits
        if not any(name in spilled for name in draft.inputs):
            if room < 0:
                return Shortage(draft.op.name, -room, 0)
            return OpChoice((draft.rows,), "activation_resident", 1)
        return self._choose_spilled_input(index, draft, room, row_bits)

    def _choose_spilled_input(
        self, index: int, draft: Draft, room: int, row_bits: int
    ) -> OpChoice | Shortage:
        """Row blocks with the weights streamed again, or weight blocks with the rows again."""
        budget, n = self.budget, self.budget.vector_size
        block_rows = min(room, budget.operand_bits) // row_bits // n * n
        if block_rows < n:
            return Shortage(draft.op.name, n * row_bits, room)
        blocks = _cut(draft.rows, block_rows)
        input_bits = draft.rows * row_bits
        row_blocked = len(blocks) * self.weight_bits[index] + input_bits
        weight_room = max(room - n * row_bits, 1)
        passes = ceil_div(self.weight_bits[index], weight_room)
        if self.weight_bits[index] + passes * input_bits < row_blocked:
            return OpChoice(_cut(draft.rows, n), "weight_blocked", passes)
        order = "row_blocked" if len(blocks) > 1 else "activation_resident"
        return OpChoice(blocks, order, 1)

    def _choose_attention(
        self, draft: Draft, spilled: frozenset[str], room: int
    ) -> OpChoice | Shortage:
        """Heads one after another; a head's score rows are cut where S x S does not fit."""
        budget, n = self.budget, self.budget.vector_size
        for name in draft.inputs:
            if name in spilled:
                room -= self.tensor_bits[name] // draft.repeats
        score_row_bits = max(draft.columns, draft.reduction, n) * budget.element_bits
        block_rows = min(room, budget.operand_bits) // score_row_bits // n * n
        if block_rows < n:
            return Shortage(draft.op.name, n * score_row_bits, max(room, 0))
        return OpChoice(_cut(draft.rows, block_rows), "activation_resident", 1)


def _cut(rows: int, block_rows: int) -> tuple[int, ...]:
    """Rows of each block, the last one shorter."""
    full, rest = divmod(rows, block_rows)
    return (block_rows,) * full + ((rest,) if rest else ())


def _live_tensors(drafts: Sequence[Draft], kept: frozenset[str]) -> list[frozenset[str]]:
    """Tensors that must exist while each op runs: its own, and those that later ops read."""
    last_use: dict[str, int] = {name: len(drafts) for name in kept}
    first: dict[str, int] = {}
    for index, draft in enumerate(drafts):
        for name in draft.inputs:
            last_use[name] = max(last_use.get(name, 0), index)
            first.setdefault(name, 0)
        if draft.output:
            first[draft.output] = index
            last_use[draft.output] = max(last_use.get(draft.output, 0), index)
    for name in kept:
        first.setdefault(name, 0)
    live = [
        frozenset(name for name, start in first.items() if start <= index <= last_use[name])
        for index in range(len(drafts))
    ]
    loop = [index for index, draft in enumerate(drafts) if draft.in_attention]
    together = frozenset().union(*(live[index] for index in loop))
    return [together if index in loop else names for index, names in enumerate(live)]
