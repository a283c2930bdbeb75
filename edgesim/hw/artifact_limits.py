"""What one command of the artifact can hold, from its register widths and memory sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.artifact_spec import COMMANDS, ArtifactSpec
from edgesim.units import ceil_div

ELEMENT_BITS = 8
BITS_PER_BYTE = 8


@dataclass(frozen=True)
class CommandLimits:
    """Bounds of products, special functions and transfers at one vector size."""

    artifact: ArtifactSpec
    vector_size: int

    @property
    def memory_vectors(self) -> int:
        """Vectors that one operand memory holds."""
        return self.artifact.memories.operand_rows

    @property
    def outer_tiles(self) -> int:
        """Tiles of rows, or of columns, in one product."""
        registers = self.artifact.registers
        largest = (2**registers.matrix_size_bits - 1) // self.vector_size
        return int(min(largest, 2**registers.tile_count_bits - 1))

    @property
    def reduction_tiles(self) -> int:
        """Tiles along the reduction in one product."""
        registers = self.artifact.registers
        largest = (2**registers.reduction_bits - 1) // self.vector_size
        return int(min(largest, 2**registers.reduction_tile_bits - 1))

    @property
    def vector_count(self) -> int:
        """Rows, and vectors per row, of one special function."""
        return int(2**self.artifact.registers.vector_count_bits - 1)

    @property
    def second_operand_vector(self) -> int:
        """Last vector at which a dense second operand of one memory can begin."""
        return int(2**self.artifact.registers.base_bits - 1) // self.vector_size

    @cached_property
    def moved_rows(self) -> dict[str, NDArray[np.int64]]:
        """Per transfer, what moving 0, 1, … rows moves; -1 where no single command moves them.

        Whole beats; beyond one burst whole bursts, where the release addresses only those.
        """
        return {
            name: self._moved(name, np.arange(self.memory_vectors + 1))
            for name in COMMANDS
            if name.startswith("axi_")
        }

    def _moved(self, start: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        axi, registers = self.artifact.axi, self.artifact.registers
        row_bits = self.vector_size * (1 if start.endswith("mask") else ELEMENT_BITS)
        beats = -(-rows * row_bits // axi.beat_bits)
        bursts = -(-beats // axi.burst_beats)
        if axi.whole_bursts:
            beats = np.where(bursts > 1, bursts * axi.burst_beats, beats)
        burst_bits = registers.load_burst_bits if "_load_" in start else registers.store_burst_bits
        counter = registers.transfer_row_bits
        if start == "axi_load_aux":
            counter = registers.auxiliary_row_bits
        moved = np.maximum(rows, beats * axi.beat_bits // row_bits)
        fits = (beats < 2**registers.beat_count_bits) & (bursts <= 2**burst_bits)
        return np.where(fits & (moved <= 2**counter), moved, -1)

    def transfer_rows(self, start: str, rows: int) -> int | None:
        """Rows that a transfer of `rows` moves; None when no single command moves them."""
        table = self.moved_rows[start]
        moved = int(table[rows]) if rows < len(table) else -1
        return None if moved < 0 else moved

    def most_rows(self, start: str) -> int:
        """The largest transfer that one command moves."""
        return int(np.flatnonzero(self.moved_rows[start] >= 0)[-1])

    def result_base(self, operand_vectors: int, operand_rows: int, outputs: int) -> int | None:
        """Base of results behind the operand of one memory; None when none has room for them.

        The base is at once the first mask index and the first data byte, which the release
        takes from one register, so packed rows before it count n times.
        """
        n = self.vector_size
        base = max(operand_vectors, operand_rows * n)
        fits = (
            base < 2**self.artifact.registers.base_bits
            and base + outputs <= self.memory_vectors
            and ceil_div(base, n) + outputs <= self.memory_vectors
        )
        return base if fits else None
