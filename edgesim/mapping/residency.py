"""Which activations stay on chip: the plan of least storage traffic, by branch and bound.

The two operand memories are one pool, less the slots of the weight stream: `flip_mem` directs every
output to either memory, and tensors may be split between them at tile granularity (assumed).
Partial sums never leave the accumulators, so a product needs whole reduction rows on chip.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
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
    heads_in_flight: int = 1
    """Heads whose scores are on chip at once; 2 where softmax overlaps products."""


@dataclass(frozen=True)
class WeightStream:
    """The weight stream of one op; all zero where it has none."""

    total_bits: int = 0
    largest_bits: int = 0
    """Bits of the largest chunk."""
    num_chunks: int = 0
    widest_columns: int = 0
    """Output columns of the widest chunk."""


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
    """Weights, spilled activations and exchanges with the host."""
    peak_bits: int
    """Most resident activation bits while any op runs."""


@dataclass(frozen=True)
class Shortage:
    """The op that fits under no residency, and the room it misses."""

    op: str
    demand_bits: int
    room_bits: int


class ResidencySearch:
    """Searches the residency of least traffic for one segment.

    Best first over sets of spilled tensors. A set that does not fit, or that repeats transfers, can
    only be mended by spilling a tensor that is live at the op in question; a set's least traffic
    (each weight and each spilled tensor once per use) bounds all its supersets.
    """

    def __init__(
        self, drafts: Sequence[Draft], tensor_bits: Mapping[str, int],
        moved_bits: Mapping[str, int], streams: Sequence[WeightStream], budget: Budget,
        kept: frozenset[str],
    ) -> None:  # fmt: skip
        self.drafts = drafts
        self.tensor_bits = tensor_bits
        """Data bits of an activation on chip."""
        self.moved_bits = moved_bits
        """Bits of one transfer of an activation, mask included."""
        self.streams = streams
        self.budget = budget
        self.live = _live_tensors(drafts, kept)
        self.host_made = {draft.output for draft in drafts if draft.unit == "host" and draft.rows}
        """Outputs that reach storage anyway when spilled; an input tensor must still be read."""

    def solve(self) -> Residency | Shortage:
        """The best residency, or the smallest shortage where none fits."""
        best: Residency | None = None
        shortage: Shortage | None = None
        queue: list[tuple[int, tuple[str, ...]]] = [(self._least_traffic(frozenset()), ())]
        seen: set[tuple[str, ...]] = {()}
        while queue:
            bound, names = heapq.heappop(queue)
            if best is not None and bound >= best.traffic_bits:
                break
            found, at_ops = self._evaluate(frozenset(names))
            if isinstance(found, Shortage):
                gap = found.demand_bits - found.room_bits
                if shortage is None or gap < shortage.demand_bits - shortage.room_bits:
                    shortage = found
            elif best is None or found.traffic_bits < best.traffic_bits:
                best = found
            if not self.budget.may_spill:
                break
            for name in sorted(frozenset().union(*(self.live[i] for i in at_ops)) - {*names}):
                more = tuple(sorted((*names, name)))
                if more not in seen:
                    seen.add(more)
                    heapq.heappush(queue, (self._least_traffic(frozenset(more)), more))
        if best is None:
            assert shortage is not None
            return shortage
        return best

    def _least_traffic(self, spilled: frozenset[str]) -> int:
        """Traffic that no set containing `spilled` can avoid."""
        traffic = sum(stream.total_bits for stream in self.streams)
        traffic += sum(self.moved_bits[name] for name in spilled - self.host_made)
        for draft in self.drafts:
            if draft.unit != "host":
                traffic += sum(self.moved_bits[name] for name in draft.inputs if name in spilled)
        return traffic

    def _evaluate(self, spilled: frozenset[str]) -> tuple[Residency | Shortage, list[int]]:
        """What a set of spilled tensors gives, and the ops that another spill might help."""
        traffic = sum(self.moved_bits[name] for name in spilled - self.host_made)
        choices: list[OpChoice] = []
        costly: list[int] = []
        peak = 0
        for index, draft in enumerate(self.drafts):
            resident = self._resident_bits(index, spilled)
            choice = self._choose(index, draft, spilled, resident)
            if isinstance(choice, Shortage):
                return choice, [index]
            choices.append(choice)
            peak = max(peak, resident)
            moved, extra = self._op_traffic(index, draft, spilled, choice)
            traffic += moved
            if extra:
                costly.append(index)
        return Residency(spilled, tuple(choices), traffic, peak), costly

    def _resident_bits(self, index: int, spilled: frozenset[str]) -> int:
        """Live tensors on chip while an op runs; a dying input makes room for a vector output."""
        draft = self.drafts[index]
        names = self.live[index] - spilled
        bits = sum(self.tensor_bits[name] for name in names)
        in_place = draft.unit in ("sfu", "host") and draft.op.in_place
        if in_place and draft.output in names:
            later = self.live[index + 1] if index + 1 < len(self.live) else frozenset()
            dying = [n for n in set(draft.inputs) if n in names and n not in later]
            freed = max((self.tensor_bits[name] for name in dying), default=0)
            bits -= min(freed, self.tensor_bits[draft.output or ""])
        return bits

    def _op_traffic(
        self, index: int, draft: Draft, spilled: frozenset[str], choice: OpChoice
    ) -> tuple[int, bool]:
        """Bits that an op moves, and whether another spill could spare some of them."""
        if draft.unit == "host":
            own = {name for name in (*draft.inputs, draft.output or "") if name}
            exchanged = sum(self.moved_bits[name] for name in own - spilled)
            return exchanged, exchanged > 0
        loads = sum(self.moved_bits[name] for name in draft.inputs if name in spilled)
        weights = self.streams[index].total_bits
        passes = len(choice.row_blocks) if choice.order == "row_blocked" else 1
        return loads * choice.load_passes + weights * passes, passes > 1 or choice.load_passes > 1

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
            need = streams * row_bits * (2 if draft.op.in_place else n)
            if draft.unit == "host":
                need = 0
            if need > room:
                return self._short(draft, need - room)
            return OpChoice((draft.rows,), "activation_resident", 1)
        out_bits = 0
        if draft.output in spilled:
            out_bits = 2 * self.streams[index].widest_columns * budget.element_bits
        if any(name in spilled for name in draft.inputs):
            return self._choose_spilled_input(index, draft, room, row_bits, out_bits)
        missing = ceil_div(draft.rows, n) * n * out_bits - room
        if missing > 0:
            return self._short(draft, missing)
        return OpChoice((draft.rows,), "activation_resident", 1)

    def _short(self, draft: Draft, missing_bits: int) -> Shortage:
        room = self.budget.pool_bits
        return Shortage(draft.op.name, room + missing_bits, room)

    def _choose_spilled_input(
        self, index: int, draft: Draft, room: int, row_bits: int, out_bits: int
    ) -> OpChoice | Shortage:
        """Row blocks with the weights streamed again, or weight blocks with the rows again.

        `out_bits` is what a row needs of the two column pieces through which a spilled output
        leaves: one in work, one on its way.
        """
        budget, n = self.budget, self.budget.vector_size
        stream = self.streams[index]
        least = max(n * (row_bits + out_bits) - room, n * row_bits - budget.operand_bits)
        if least > 0:
            return self._short(draft, least)
        block_rows = min(room // (row_bits + out_bits), budget.operand_bits // row_bits) // n * n
        blocks = _cut(draft.rows, block_rows)
        input_bits = sum(self.moved_bits[name] for name in draft.inputs)
        order = "row_blocked" if len(blocks) > 1 else "activation_resident"
        group = (room - n * (row_bits + out_bits)) // max(1, stream.largest_bits)
        if group > 0:
            passes = ceil_div(stream.num_chunks, group)
            row_blocked = len(blocks) * stream.total_bits + input_bits
            if stream.total_bits + passes * input_bits < row_blocked:
                return OpChoice(_cut(draft.rows, n), "weight_blocked", passes)
        return OpChoice(blocks, order, 1)

    def _choose_attention(
        self, draft: Draft, spilled: frozenset[str], room: int
    ) -> OpChoice | Shortage:
        """Heads one after another; a head's score rows are cut where S x S does not fit."""
        budget, n = self.budget, self.budget.vector_size
        for name in (*draft.inputs, draft.output or ""):
            if name in spilled:
                room -= ceil_div(self.tensor_bits[name], draft.repeats)
        score_row_bits = max(draft.columns, draft.reduction, n) * budget.element_bits
        score_row_bits *= budget.heads_in_flight
        block_rows = min(room, budget.operand_bits) // score_row_bits // n * n
        if block_rows < n:
            return self._short(draft, n * score_row_bits - min(room, budget.operand_bits))
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
