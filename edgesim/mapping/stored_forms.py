"""Weights in their stored form, packed once for all chips that pack alike."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import WeightChunk
from edgesim.mapping.embedding import StoredTable

DEFAULT_MOST_PACKINGS = 16


@dataclass(frozen=True)
class StoredForm:
    """A weight matrix or a vector of parameters, wherever it rests."""

    chunks: tuple[WeightChunk, ...]
    stored_bits: int
    nonzeros: int


@dataclass(eq=False)
class Packing:
    """Forms of one trace under one way to pack, as far as they were needed."""

    weights: dict[str, StoredForm] = field(default_factory=dict)
    tables: dict[str, StoredTable] = field(default_factory=dict)


class StoredForms:
    """Packings of one trace by what packing reads of a chip; the oldest leave first."""

    def __init__(self, most_packings: int = DEFAULT_MOST_PACKINGS) -> None:
        self.most_packings = most_packings
        self._known: OrderedDict[object, Packing] = OrderedDict()

    def of(self, chip: AcceleratorSpec) -> Packing:
        """The forms of chips that pack as this one does."""
        key = (
            chip.pu.vector_size, chip.pu.number_format, chip.dma.chunk_bytes,
            chip.embedding.rows_per_pointer, chip.embedding.pointer_bits,
        )  # fmt: skip
        packing = self._known.setdefault(key, Packing())
        self._known.move_to_end(key)
        while len(self._known) > self.most_packings:
            self._known.popitem(last=False)
        return packing
