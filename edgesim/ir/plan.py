"""MappingPlan: how each op is cut, what stays on chip, what moves and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.band import band_columns, band_pairs
from edgesim.ir.op import Op
from edgesim.ir.ops import facts_of
from edgesim.ir.optrace import OpTrace
from edgesim.ir.program import OpProgram
from edgesim.units import ceil_div


@dataclass(frozen=True)
class WeightChunk:
    """A piece of a weight stream: whole column tiles, moved in one transfer."""

    column_tiles: int
    """Tiles of n output columns."""
    stored_bits: int
    """Packed rows (maximum over lanes), mask and biases, as they rest in storage."""
    nonzeros: int
    """Stored elements."""
    mask_bits: int
    """Bitmask of the chunk, padding included."""
    live_vectors: int
    """Vectors of n reduction elements with at least one non-zero."""


@dataclass(frozen=True)
class Spill:
    """An activation tensor that an op loads from, or stores to, a medium behind the buffers."""

    tensor: str
    medium: str
    bits: int
    """Bits moved by one full pass over the tensor."""
    passes: int
    """How often the op moves the tensor."""


@dataclass(frozen=True)
class Piece:
    """Rows that the array takes through equally many columns and reduction elements."""

    rows: int
    columns: int
    reduction: int


@dataclass(frozen=True)
class PlannedOp:
    """One op on one unit. `repeats` counts heads or 1; dimensions are per repeat."""

    name: str
    kind: str
    unit: str
    """`pu`, `sfu`, `host`, or `fused` for an activation behind the accumulator."""
    rows: int
    reduction: int
    """Reduction length of a product; row length of a vector op."""
    columns: int
    repeats: int = 1
    row_blocks: tuple[int, ...] = ()
    """Rows of each block of a product; weights stream once per block."""
    order: str = "activation_resident"
    """`activation_resident`, `row_blocked` or `weight_blocked`."""
    medium: str = ""
    """Where the weights or parameters rest."""
    chunks: tuple[WeightChunk, ...] = ()
    parameter_bits: int = 0
    """Parameters moved before a vector op starts: gamma and beta."""
    loads: tuple[Spill, ...] = ()
    stores: tuple[Spill, ...] = ()
    entry_stores: tuple[Spill, ...] = ()
    """Tensors that were on chip before the segment and leave before its first op."""
    table: str = ""
    """Embedding table that the op reads."""
    fused_activation: str | None = None
    input_density: float = 1.0
    input_null_fraction: float = 0.0
    second_density: float = 1.0
    output_density: float = 1.0
    bands: tuple[int | None, ...] = ()
    """Span of each repeat where the array leaves out the tiles beyond it; empty where it computes
    all of them."""
    moved_bits: int | None = None
    """Storage bits that the op's command list moves; None follows from chunks and spills."""

    @property
    def facts(self) -> type[Op]:
        """What every op of this kind says of itself."""
        return facts_of(self.kind)

    def pieces(self, vector_size: int, repeat: int = 0) -> tuple[Piece, ...]:
        """What the array computes of one repeat, in order: row blocks, or tile rows of a band."""
        span = self.bands[repeat] if self.bands else None
        if span is None or span >= self.rows:
            return tuple(Piece(rows, self.columns, self.reduction) for rows in self.row_blocks)
        found = []
        for tile_row in range(ceil_div(self.rows, vector_size)):
            rows = min(vector_size, self.rows - tile_row * vector_size)
            first, stop = band_columns(tile_row, self.rows, span, vector_size)
            columns, reduction = self._across_and_deep(stop - first)
            found.append(Piece(rows, columns, reduction))
        return tuple(found)

    def _across_and_deep(self, near: int) -> tuple[int, int]:
        """Columns and reduction where only `near` keys are seen: scores have a column per key."""
        if self.facts.heads == "split":
            return near, self.reduction
        return self.columns, near

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all repeats, padding left out, zeros included.

        Of a band the pairs that see each other.
        """
        if not self.bands:
            return self.rows * self.reduction * self.columns * self.repeats
        size = self.reduction if self.facts.heads == "split" else self.columns
        spans = (self.rows if span is None else span for span in self.bands)
        return size * sum(band_pairs(self.rows, span) for span in spans)

    @property
    def weight_passes(self) -> int:
        """How often the weight stream is moved."""
        return len(self.row_blocks) if self.order == "row_blocked" else 1

    @cached_property
    def traffic_bits(self) -> int:
        """Storage bits that the op moves."""
        if self.moved_bits is not None:
            return self.moved_bits
        weights = sum(chunk.stored_bits for chunk in self.chunks) * self.weight_passes
        moved = (*self.loads, *self.stores, *self.entry_stores)
        spills = sum(spill.bits * spill.passes for spill in moved)
        return weights + self.parameter_bits + spills


class EmbeddingRead(NamedTuple):
    """Reading one row of a table: what it moves from its medium."""

    medium: str
    table: str
    bits: int
    """Pointer, scanned masks, own mask and packed data."""


@dataclass(frozen=True)
class SegmentPlan:
    """Ops between two barriers: the embedding, one layer, one off-ramp or the epilogue."""

    label: str
    layer: int
    num_tokens: int
    ops: tuple[PlannedOp, ...]
    embedding_reads: tuple[EmbeddingRead, ...] = ()
    stream_slots: int = 2
    """Chunks of the weight stream that fit on chip at once."""
    spilled_tensors: tuple[str, ...] = ()
    resident_bits_peak: int = 0
    """Most activation data bits on chip at once, stream buffers excluded."""
    repeats: str = ""
    """Label of an equal segment, op by op, that was planned before; empty for a new one."""
    programs: tuple[OpProgram, ...] = ()
    """Command lists of a chip that is driven start by start; empty for the others."""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Hashed once: plans are keys of event logs, and hold thousands of numbers."""
        return hash(tuple(getattr(self, part.name) for part in fields(self)))

    @cached_property
    def media(self) -> tuple[str, ...]:
        """Media that the segment moves data from or to, sorted."""
        media = {op.medium for op in self.ops if op.medium}
        media |= {read.medium for read in self.embedding_reads}
        for op in self.ops:
            media |= {move.medium for move in (*op.loads, *op.stores, *op.entry_stores)}
        return tuple(sorted(media))

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates on the array, padding left out, zeros included."""
        return sum(op.macs for op in self.ops if op.unit == "pu")

    @cached_property
    def read_rows(self) -> Mapping[str, int]:
        """Embedding rows read, by medium."""
        return Counter(read.medium for read in self.embedding_reads)

    @cached_property
    def read_bits(self) -> int:
        """Bits of all embedding rows that are read."""
        return sum([read.bits for read in self.embedding_reads])

    @cached_property
    def stored_reads(self) -> Mapping[str, int]:
        """Bits that must leave each medium: every weight, parameter and embedding row once."""
        bits: dict[str, int] = {}
        for op in self.ops:
            stored = sum(chunk.stored_bits for chunk in op.chunks) + op.parameter_bits
            if stored:
                bits[op.medium] = bits.get(op.medium, 0) + stored
        for medium, _, read_bits in self.embedding_reads:
            bits[medium] = bits.get(medium, 0) + read_bits
        return bits

    @cached_property
    def spilled_bits(self) -> int:
        """Activation bits written behind their first medium."""
        return sum(s.bits for op in self.ops for s in (*op.stores, *op.entry_stores))

    @cached_property
    def traffic_bits(self) -> int:
        """Storage bits that the segment moves."""
        return sum(op.traffic_bits for op in self.ops) + self.read_bits

    @cached_property
    def compulsory_bits(self) -> int:
        """Storage bits that no plan can avoid: every weight, embedding row and input once."""
        weights = sum(chunk.stored_bits for op in self.ops for chunk in op.chunks)
        parameters = sum(op.parameter_bits for op in self.ops)
        inputs = sum(load.bits for op in self.ops if op.facts.unit == "none" for load in op.loads)
        return weights + parameters + inputs + self.read_bits


class MappingPlan(Protocol):
    """The plans of a mapped trace, segment by segment, at any sentence length."""

    trace: OpTrace

    def embedding(self, num_tokens: int, token_ids: NDArray[np.int64] | None) -> SegmentPlan:
        """The prologue of one sentence."""

    def layer(self, index: int, num_tokens: int) -> SegmentPlan:
        """Encoder layer `index`, 1-based, without its off-ramp."""

    def ramp(self, index: int, num_tokens: int) -> SegmentPlan:
        """The off-ramp behind layer `index`."""

    def epilogue(self, num_tokens: int) -> SegmentPlan | None:
        """Ops behind the last layer that belong to no off-ramp."""
