"""Where every weight rests: ordered media per tensor class, capacity enforced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import Embedding
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import WeightChunk
from edgesim.mapping.embedding import PlacedTable, StoredTable, place_table, stored_table
from edgesim.mapping.stored import row_lanes, weight_chunks, weight_tiles
from edgesim.mapping.stored_forms import Packing, StoredForm
from edgesim.numerics.formats import format_bits
from edgesim.tech import media_of_class, writable_media


@dataclass(frozen=True, eq=False)
class StoredWeight:
    """A product's weight matrix, or a vector of parameters, at rest."""

    medium: str
    chunks: tuple[WeightChunk, ...]
    stored_bits: int
    nonzeros: int


@dataclass(frozen=True, eq=False)
class Placement:
    """Every weight of a trace on a chip."""

    weights: dict[str, StoredWeight]
    """Matrices with their bias, by weight tensor; parameter vectors by tensor."""
    tables: dict[str, PlacedTable]
    spilled_bits: dict[str, int]
    """Bits per tensor class that rest behind their first medium."""
    stored_bits: dict[str, int]
    """Bits per tensor class."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line per class that spills."""
        return tuple(
            f"{bits / 8:,.0f} of {self.stored_bits[name] / 8:,.0f} bytes of {name} spill behind "
            f"their first medium"
            for name, bits in self.spilled_bits.items()
            if bits
        )


def tensor_bits(trace: OpTrace, chip: AcceleratorSpec, name: str) -> int:
    """Bits per element of a tensor: its own format, else the chip's native one."""
    return format_bits(trace.tensors[name].number_format or chip.pu.number_format)


def exchange_medium(chip: AcceleratorSpec) -> str | None:
    """The storage through which tensors pass to and from the host; None without a writable one."""
    wanted = (*chip.placement.activation[1:], *media_of_class("dram"), *media_of_class("sram"))
    return next((medium for medium in wanted if chip.can_write(medium)), None)


def exchange_levers() -> tuple[str, ...]:
    """Settings that give a chip a storage through which tensors reach the host."""
    return tuple(f"storage.{storage_family(medium)}" for medium in writable_media())


def row_order(trace: OpTrace, table: str, index: str) -> NDArray[np.int64]:
    """Rows of a table as they are placed: most frequent tokens first, else by number."""
    rows = trace.tensors[table].dims(0)[0]
    if index != "token" or trace.token_counts is None:
        return np.arange(rows)
    return np.argsort(-trace.token_counts[:rows], kind="stable")


def place(
    trace: OpTrace, chip: AcceleratorSpec, packing: Packing | None = None
) -> Placement | Infeasible:
    """Place embeddings, then encoder and off-ramp weights in trace order.

    `packing` holds weights that were packed before, for chips that pack alike.
    """
    packing = packing or Packing()
    free = _free_bits(chip)
    result = Placement({}, {}, {}, {})
    failure = _place_tables(trace, chip, free, result, packing)
    if failure is not None:
        return failure
    for name, bias in trace.placed_weights.items():
        form = packing.weights.get(name)
        if form is None:
            form = packing.weights[name] = _weight_form(trace, chip, name, bias)
        failure = _place_weight(trace, chip, free, result, name, form)
        if failure is not None:
            return failure
    return result


def _free_bits(chip: AcceleratorSpec) -> dict[str, int]:
    """Free bits per storage family."""
    return {family: storage.capacity_bytes * 8 for family, storage in chip.storage.items()}


def _place_tables(
    trace: OpTrace, chip: AcceleratorSpec, free: dict[str, int], result: Placement,
    packing: Packing,
) -> Infeasible | None:  # fmt: skip
    media = chip.placement.embedding_weight
    for op in sorted(trace.embedding_ops, key=lambda op: op.index == "token"):
        if op.table in result.tables:
            continue
        if op.table not in packing.tables:
            packing.tables[op.table] = _table_form(trace, chip, op)
        table = packing.tables[op.table]
        room = {medium: free[storage_family(medium)] for medium in media}
        placed = place_table(table, media, room)
        if isinstance(placed, int):
            bits = table.stored_bits
            return _no_room("embedding_weight", op.table, bits, bits - placed, media)
        for medium in media:
            free[storage_family(medium)] = room[medium]
        result.tables[op.table] = placed
        spilled = sum(placed.bits_in(i) for i in range(1, len(media)))
        _count(result, "embedding_weight", table.stored_bits, spilled)
    return None


def _table_form(trace: OpTrace, chip: AcceleratorSpec, op: Embedding) -> StoredTable:
    """An embedding table, packed."""
    return stored_table(
        op.table, row_lanes(trace, op.table, chip.pu.vector_size),
        trace.tensors[op.table].dims(0)[1], row_order(trace, op.table, op.index),
        tensor_bits(trace, chip, op.table),
        chip.embedding.rows_per_pointer, chip.embedding.pointer_bits,
    )  # fmt: skip


def _weight_form(trace: OpTrace, chip: AcceleratorSpec, name: str, bias: str | None) -> StoredForm:
    """A product's weights with their bias, or parameters, packed."""
    tensor = trace.tensors[name]
    bits = tensor_bits(trace, chip, name)
    chunks: tuple[WeightChunk, ...] = ()
    if len(tensor.shape) == 2:
        bias_bits = 0 if bias is None else tensor_bits(trace, chip, bias)
        tiles = weight_tiles(trace, name, chip.pu.vector_size)
        chunks = weight_chunks(tiles, bits, bias_bits, chip.dma.chunk_bytes * 8)
        stored, nonzeros = sum(chunk.stored_bits for chunk in chunks), tiles.nonzeros
    else:
        nonzeros = int(trace.weight_mask(name).sum())
        stored = tensor.num_elements(0) * bits
    return StoredForm(chunks, stored, nonzeros)


def _place_weight(
    trace: OpTrace, chip: AcceleratorSpec, free: dict[str, int], result: Placement,
    name: str, form: StoredForm,
) -> Infeasible | None:  # fmt: skip
    tensor = trace.tensors[name]
    media: tuple[str, ...] = getattr(chip.placement, tensor.tensor_class)
    stored = form.stored_bits
    for position, medium in enumerate(media):
        family = storage_family(medium)
        if free[family] >= stored:
            free[family] -= stored
            result.weights[name] = StoredWeight(medium, form.chunks, stored, form.nonzeros)
            _count(result, tensor.tensor_class, stored, stored if position else 0)
            return None
    room = max(free[storage_family(medium)] for medium in media)
    return _no_room(tensor.tensor_class, name, stored, room, media)


def _count(result: Placement, tensor_class: str, stored: int, spilled: int) -> None:
    result.stored_bits[tensor_class] = result.stored_bits.get(tensor_class, 0) + stored
    result.spilled_bits[tensor_class] = result.spilled_bits.get(tensor_class, 0) + spilled


def _no_room(
    tensor_class: str, name: str, demand_bits: int, room_bits: int, media: tuple[str, ...]
) -> Infeasible:
    levers = [f"storage.{storage_family(medium)}.capacity" for medium in media]
    return Infeasible(
        f"{tensor_class} {name} in {' then '.join(media)}", demand_bits / 8, room_bits / 8,
        "bytes", (*levers, f"placement.{tensor_class}"),
    )  # fmt: skip
