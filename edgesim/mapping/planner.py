"""The mapper: segments of a trace on a chip, for one sentence length at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InfeasibleError, InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import Embedding, MatMul, Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import EmbeddingRead, PlannedOp, SegmentPlan, Spill, WeightChunk
from edgesim.mapping.draft import Draft, draft_ops
from edgesim.mapping.placement import Placement, exchange_medium, place, tensor_bits
from edgesim.mapping.repeats import repeated
from edgesim.mapping.residency import (
    Budget,
    OpChoice,
    Residency,
    ResidencySearch,
    Shortage,
    WeightStream,
)
from edgesim.mapping.shared_plans import KnownPlans, Shapes, SharedPlans
from edgesim.numerics.formats import format_bits

_Reads = tuple[object, Callable[[], list[EmbeddingRead]]]
"""What reads of a table depend on, and the reads."""


class Mapper:
    """Plans segments of one trace on one chip; equal requests return the same plan.

    With `shared`, plans are also shared with mappers of the same trace on other chips.
    Raises InfeasibleError, which carries the `Infeasible` record, where the trace does not fit.
    """

    def __init__(
        self, trace: OpTrace, chip: AcceleratorSpec, shared: SharedPlans | None = None
    ) -> None:
        self.trace = trace
        self.chip = chip
        placement = place(trace, chip, None if shared is None else shared.forms.of(chip))
        if isinstance(placement, Infeasible):
            raise InfeasibleError(placement.message(), placement)
        self.placement: Placement = placement
        self._streams: dict[str, WeightStream] = {}
        self._tables = [(op.table, op.index) for op in trace.prologue if isinstance(op, Embedding)]
        self._reads: dict[tuple[str, int], _Reads] = {}
        """Reads that no token decides, by table and tokens."""
        known = KnownPlans() if shared is None else shared.of(chip, placement)
        self._numbers = Shapes() if shared is None else shared.shapes
        self._plans, self._refused = known.plans, known.refused
        self._shapes, self._ops = known.shapes, known.ops
        self._embeddings, self._intern = known.embeddings, known.intern

    def embedding(self, num_tokens: int, token_ids: NDArray[np.int64] | None) -> SegmentPlan:
        """The prologue of one sentence; without token ids it reads the most frequent rows."""
        parts = [
            self._table_reads(table, index, num_tokens)
            if token_ids is None or index in ("position", "type")
            else self._token_reads(table, num_tokens, token_ids)
            for table, index in self._tables
        ]
        key = (num_tokens, *(part for part, _ in parts))
        found = self._embeddings.get(key)
        if found is None:
            plan = self._segment("embedding", 0, self.trace.prologue, num_tokens)
            reads = tuple(read for _, rows in parts for read in rows())
            found = self._intern(replace(plan, embedding_reads=reads))
            self._embeddings[key] = found
        return found

    def layer(self, index: int, num_tokens: int) -> SegmentPlan:
        """Encoder layer `index`, 1-based, without its off-ramp."""
        return self._segment(f"layer {index}", index, self.trace.layers[index - 1].ops, num_tokens)

    def ramp(self, index: int, num_tokens: int) -> SegmentPlan:
        """The off-ramp behind layer `index`, 1-based."""
        ops = self.trace.layers[index - 1].ramp
        return self._segment(f"off-ramp {index}", index, ops, num_tokens)

    def epilogue(self, num_tokens: int) -> SegmentPlan | None:
        """Ops behind the last layer that belong to no off-ramp; None if there are none."""
        if not self.trace.epilogue:
            return None
        layer = self.trace.num_layers + 1
        return self._segment("epilogue", layer, self.trace.epilogue, num_tokens)

    def _segment(self, label: str, layer: int, ops: Sequence[Op], num_tokens: int) -> SegmentPlan:
        key = (label, num_tokens)
        if key not in self._plans:
            shape = self._numbers.number(label, self.trace, ops)
            twin = self._shapes.get((shape, num_tokens))
            if twin is not None:
                known = self._plans[twin, num_tokens]
                again = repeated(known, self._ops[twin], label, layer, ops)
                self._plans[key] = self._intern(again)
                return self._plans[key]
            planned = self._refused.get(key) or self._plan(label, layer, ops, num_tokens)
            if isinstance(planned, Infeasible):
                self._refused[key] = planned
                raise InfeasibleError(planned.message(), planned)
            self._plans[key], self._ops[label] = self._intern(planned), ops
            if not planned.programs:
                self._shapes[shape, num_tokens] = label
        return self._plans[key]

    def _plan(
        self, label: str, layer: int, ops: Sequence[Op], num_tokens: int
    ) -> SegmentPlan | Infeasible:
        drafts = draft_ops(self.trace, self.chip, ops, num_tokens)
        if isinstance(drafts, Infeasible):
            return drafts
        slots, slot_bits = self._stream_slots(drafts)
        if slots == 0:
            levers = ("dma.chunk", "buffers.operand0.data", "pu.vector_size")
            room = self.chip.buffers.operand0.data_bytes
            return Infeasible(f"weight tile of {label}", slot_bits / 8, room, "bytes", levers)
        found = self._residency(drafts, num_tokens, slots * slot_bits, label)
        while isinstance(found, Shortage) and slots > 1:
            slots -= 1
            found = self._residency(drafts, num_tokens, slots * slot_bits, label)
        if isinstance(found, Shortage):
            return Infeasible(
                f"activations of {found.op} at S={num_tokens} in the operand memories",
                found.demand_bits / 8, found.room_bits / 8, "bytes",
                ("buffers.operand0.data", "buffers.operand1.data", "placement.activation"),
            )  # fmt: skip
        entries = self._entry_stores(drafts, found, num_tokens)
        planned = tuple(
            self._planned(draft, choice, found.spilled, num_tokens, entries if i == 0 else ())
            for i, (draft, choice) in enumerate(zip(drafts, found.choices, strict=True))
        )
        return SegmentPlan(
            label, layer, num_tokens, planned, (), slots, tuple(sorted(found.spilled)),
            found.peak_bits,
        )  # fmt: skip

    def _stream_slots(self, drafts: Sequence[Draft]) -> tuple[int, int]:
        """How many chunks of the weight stream fit at once, and the bits of the largest."""
        largest = max((self._weight_stream(draft).largest_bits for draft in drafts), default=0)
        room = self.chip.buffers.operand0.data_bytes * 8
        if self.chip.buffers.operand0.ports == "1R1W" and 2 * largest <= room:
            return 2, largest
        return (1, largest) if largest <= room else (0, largest)

    def _chunks(self, draft: Draft) -> tuple[WeightChunk, ...]:
        if isinstance(draft.op, MatMul):
            return self.placement.weights[draft.op.weight].chunks
        return ()

    def _activation_bits(self, name: str, num_tokens: int) -> int:
        """Data bits of an activation on chip, rounded up to whole elements."""
        tensor = self.trace.tensors[name]
        bits = tensor_bits(self.trace, self.chip, name)
        return ceil(tensor.num_elements(num_tokens) * tensor.density) * bits

    def _residency(
        self, drafts: Sequence[Draft], num_tokens: int, stream_bits: int, label: str
    ) -> Residency | Shortage:
        names = {name for draft in drafts for name in (*draft.inputs, draft.output) if name}
        chip = self.chip
        pool = (chip.buffers.operand0.data_bytes + chip.buffers.operand1.data_bytes) * 8
        streams = [self._weight_stream(draft) for draft in drafts]
        kept = {drafts[-1].output or ""} | ({drafts[0].inputs[0]} if "ramp" in label else set())
        budget = Budget(
            pool_bits=pool - stream_bits,
            operand_bits=chip.buffers.operand1.data_bytes * 8,
            vector_size=chip.pu.vector_size,
            element_bits=format_bits(chip.pu.number_format),
            may_spill=len(chip.placement.activation) > 1,
            heads_in_flight=1 if chip.sfu.overlap == "none" else 2,
        )
        bits = {name: self._activation_bits(name, num_tokens) for name in names}
        moved = {name: self._spill_bits(name, num_tokens) for name in names}
        search = ResidencySearch(drafts, bits, moved, streams, budget, frozenset(kept - {""}))
        return search.solve()

    def _weight_stream(self, draft: Draft) -> WeightStream:
        """The stream of an op's weights, which no sentence length changes."""
        if not isinstance(draft.op, MatMul):
            return WeightStream()
        found = self._streams.get(draft.op.weight)
        if found is None:
            found = self._streams[draft.op.weight] = self._new_stream(self._chunks(draft))
        return found

    def _new_stream(self, chunks: Sequence[WeightChunk]) -> WeightStream:
        if not chunks:
            return WeightStream()
        return WeightStream(
            total_bits=sum(chunk.stored_bits for chunk in chunks),
            largest_bits=max(chunk.stored_bits for chunk in chunks),
            num_chunks=len(chunks),
            widest_columns=max(c.column_tiles for c in chunks) * self.chip.pu.vector_size,
        )

    def _entry_stores(
        self, drafts: Sequence[Draft], found: Residency, num_tokens: int
    ) -> tuple[Spill, ...]:
        """Stores of spilled tensors that were on chip when the segment began."""
        produced = {draft.output for draft in drafts}
        return tuple(
            Spill(name, self.chip.placement.activation[-1], self._spill_bits(name, num_tokens), 1)
            for name in sorted(found.spilled)
            if name not in produced
        )

    def _spill_bits(self, name: str, num_tokens: int) -> int:
        """Bits moved for a spilled activation: packed data and its mask."""
        return self._activation_bits(name, num_tokens) + self.trace.tensors[name].num_elements(
            num_tokens
        )

    def _planned(
        self, draft: Draft, choice: OpChoice, spilled: frozenset[str], num_tokens: int,
        entry_stores: tuple[Spill, ...],
    ) -> PlannedOp:  # fmt: skip
        op = draft.op
        medium, parameter_bits = "", 0
        if draft.unit == "host":
            medium = exchange_medium(self.chip) or ""
        elif op.weights and not isinstance(op, Embedding):
            medium = self.placement.weights[op.weights[0]].medium
            parameter_bits = sum(self.placement.weights[n].stored_bits for n in op.parameters)
        loads, stores = self._moves(draft, choice, spilled, num_tokens)
        tensors = self.trace.tensors
        first = tensors[op.inputs[0]] if op.inputs else None
        output = tensors[draft.output or op.output]
        return PlannedOp(
            name=op.name, kind=op.kind, unit=draft.unit, rows=draft.rows,
            reduction=draft.reduction, columns=draft.columns, repeats=draft.repeats,
            row_blocks=choice.row_blocks, order=choice.order, medium=medium,
            chunks=self._chunks(draft), parameter_bits=parameter_bits, loads=loads, stores=stores,
            entry_stores=entry_stores, table=op.table if isinstance(op, Embedding) else "",
            fused_activation=draft.fused_activation, bands=draft.bands,
            input_density=first.density if first else 1.0,
            input_null_fraction=(first.null_vector_fraction or 0.0) if first else 0.0,
            second_density=tensors[op.inputs[1]].density if len(op.inputs) > 1 else 1.0,
            output_density=min(1.0, output.density / op.computed_fraction),
        )  # fmt: skip

    def _moves(
        self, draft: Draft, choice: OpChoice, spilled: frozenset[str], num_tokens: int
    ) -> tuple[tuple[Spill, ...], tuple[Spill, ...]]:
        """Loads and stores of an op; for a host op what comes back and what it is given."""
        made = () if draft.output is None else (draft.output,)
        if draft.unit == "host":
            medium = exchange_medium(self.chip) or ""
            back = tuple(name for name in made if name not in spilled)
            given = tuple(name for name in draft.inputs if name not in spilled)
            passes = 1
        else:
            medium = self.chip.placement.activation[-1]
            back = tuple(name for name in draft.inputs if name in spilled)
            given = tuple(name for name in made if name in spilled)
            passes = choice.load_passes
        loads = (Spill(n, medium, self._spill_bits(n, num_tokens), passes) for n in back)
        stores = (Spill(n, medium, self._spill_bits(n, num_tokens), 1) for n in given)
        return (*self._host_parameters(draft), *loads), tuple(stores)

    def _host_parameters(self, draft: Draft) -> tuple[Spill, ...]:
        """Parameters of a special function that the host computes, read where they rest."""
        names = draft.op.parameters if draft.unit == "host" else ()
        placed = ((name, self.placement.weights[name]) for name in names)
        return tuple(Spill(name, weight.medium, weight.stored_bits, 1) for name, weight in placed)

    def _table_reads(self, table: str, index: str, num_tokens: int) -> _Reads:
        """Reads where no token decides: a row per position, one for the type, else the most
        frequent rows."""
        found = self._reads.get((table, num_tokens))
        if found is None:
            placed = self.placement.tables[table]
            if index == "position":
                rows = np.arange(num_tokens)
            elif index == "type":
                rows = np.zeros(1, dtype=np.int64)
            else:
                rows = np.resize(placed.table.first_rows(num_tokens), num_tokens)
            found = placed.reads_key(rows), placed.reads(rows).copy
            self._reads[table, num_tokens] = found
        return found

    def _token_reads(self, table: str, num_tokens: int, token_ids: NDArray[np.int64]) -> _Reads:
        rows = self._token_rows(table, num_tokens, token_ids)
        placed = self.placement.tables[table]
        return placed.reads_key(rows), partial(placed.reads, rows)

    def _token_rows(
        self, table: str, num_tokens: int, token_ids: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Rows that a sentence reads; tokens that pad it read row 0."""
        vocabulary = self.trace.tensors[table].dims(0)[0]
        rows = np.zeros(num_tokens, dtype=np.int64)
        ids = np.asarray(token_ids, dtype=np.int64)
        wrong = ids[(ids < 0) | (ids >= vocabulary)]
        if len(wrong) or len(ids) > num_tokens:
            problem = f"token id {wrong[0]}" if len(wrong) else f"{len(ids)} token ids"
            raise InputError(
                f"{problem} in a sentence of {num_tokens} tokens over {table}, which has ids 0 to "
                f"{vocabulary - 1}; use a workload recorded with this model"
            )
        rows[: len(ids)] = ids
        return rows
