"""Command lists of single ops on the artifact: what is written, loaded, started and stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgesim.hw.artifact_limits import ELEMENT_BITS, CommandLimits
from edgesim.hw.artifact_spec import ArtifactSpec
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.program import Command, ProductReads
from edgesim.mapping.artifact_cut import LOADS, STORES, ProductCut
from edgesim.mapping.artifact_operands import Operand
from edgesim.units import ceil_div

WRITES_RESULTS = ("matmul", "softmax", "layernorm", "add")


@dataclass(frozen=True)
class Side:
    """One operand of a product, where it rests, and which of its rows are real."""

    operand: Operand
    medium: str
    rows: int


@dataclass(frozen=True)
class CommandBuilder:
    """Commands of one chip; activations rest in `medium`."""

    artifact: ArtifactSpec
    limits: CommandLimits
    medium: str

    @classmethod
    def of(cls, chip: AcceleratorSpec, artifact: ArtifactSpec, medium: str) -> CommandBuilder:
        """The builder of a chip with that artifact section."""
        return cls(artifact, CommandLimits(artifact, chip.pu.vector_size), medium)

    def start(
        self, name: str, sizes: tuple[int, ...], memory: int = 0, reads: ProductReads | None = None
    ) -> Command:
        """One computing command; whatever writes results begins behind a reset."""
        idle = self.artifact.commands.reset_cycles if name in WRITES_RESULTS else 0
        return Command(name, sizes, memory, self._writes(name), 0, idle, reads)

    def _writes(self, name: str) -> int:
        return len(self.artifact.commands.sequences[name].registers)  # type: ignore[index]

    def transfer(self, name: str, rows: int, memory: int, medium: str = "") -> Command:
        """One transfer of rows that are known to fit."""
        moved = self.limits.transfer_rows(name, rows)
        assert moved is not None
        writes = self._writes(name)
        return Command(name, (moved,), memory, writes, medium=medium or self.medium)

    def load(self, rows: int, vectors: int, memory: int, medium: str = "") -> list[Command]:
        """Data and masks of one operand."""
        return [
            self.transfer(LOADS[0], rows, memory, medium),
            self.transfer(LOADS[1], vectors, memory, medium),
        ]

    def store(self, vectors: int, memory: int) -> list[Command]:
        """Data and masks of results, as many data rows as there could be non-zeros in a lane."""
        return [self.transfer(name, vectors, memory) for name in STORES]

    # products --------------------------------------------------------------------------------

    def product(
        self, left: Side, right: Side, cut: ProductCut, output_density: float
    ) -> list[Command]:
        """All commands of one product, operands reloaded where they are gone."""
        commands: list[Command] = []
        resident: dict[int, int] = {}
        sides = ((1, left, cut.row_tiles), (0, right, cut.column_tiles))
        loads = {memory: self._block_loads(side, size, memory) for memory, side, size in sides}
        for row_block, column_block in self._order(left, right, cut):
            blocks = {1: row_block, 0: column_block}
            for memory, block in blocks.items():
                if resident.get(memory) != block:
                    commands += loads[memory][block]
                    resident[memory] = block
            if cut.in_place:
                resident.pop(cut.destination)
            command = self._product_command(left, right, cut, blocks, output_density)
            commands.append(command)
            outputs = command.sizes[0] * command.sizes[2] * self.limits.vector_size
            commands += self.store(outputs, cut.destination)
        return commands

    def _block_loads(self, side: Side, size: int, memory: int) -> list[list[Command]]:
        """Loads of every block of one operand."""
        depth = side.operand.reduction_tiles * self.limits.vector_size
        return [
            self.load(rows, tiles * depth, memory, side.medium)
            for rows, tiles in zip(
                side.operand.block_rows(size).tolist(), side.operand.block_tiles(size).tolist(),
                strict=True,
            )
        ]  # fmt: skip

    @staticmethod
    def _order(left: Side, right: Side, cut: ProductCut) -> Iterator[tuple[int, int]]:
        num_rows = ceil_div(left.operand.tiles, cut.row_tiles)
        num_columns = ceil_div(right.operand.tiles, cut.column_tiles)
        if cut.rows_outside:
            yield from ((i, j) for i in range(num_rows) for j in range(num_columns))
        else:
            yield from ((i, j) for j in range(num_columns) for i in range(num_rows))

    def _product_command(
        self, left: Side, right: Side, cut: ProductCut, blocks: dict[int, int], density: float
    ) -> Command:
        n = self.limits.vector_size
        spans = []
        for memory, side, size in ((1, left, cut.row_tiles), (0, right, cut.column_tiles)):
            first = blocks[memory] * size
            spans.append(slice(first, min(first + size, side.operand.tiles)))
        rows, columns = spans
        live = [
            side.operand.live_vectors[span].sum(axis=0)
            for side, span in zip((left, right), spans, strict=True)
        ]
        real = [
            min(span.stop * n, side.rows) - span.start * n
            for side, span in zip((left, right), spans, strict=True)
        ]
        reads = ProductReads(
            left_nonzeros=round(float(left.operand.nonzeros[rows].sum())),
            right_nonzeros=round(float(right.operand.nonzeros[columns].sum())),
            executed_dot_products=round(float(np.dot(live[0], live[1]))),
            output_nonzeros=round(real[0] * real[1] * density),
        )
        tiles = (rows.stop - rows.start, left.operand.reduction_tiles, columns.stop - columns.start)
        return self.start("matmul", tiles, cut.destination, reads)

    # special functions -----------------------------------------------------------------------

    def rows_per_command(self, name: str, vectors: int) -> int:
        """Rows of `vectors` vectors that one command takes; 0 when not even one fits."""
        limits = self.limits
        room = min(limits.memory_vectors, limits.most_rows(LOADS[0]), limits.most_rows(LOADS[1]))
        if name in WRITES_RESULTS:
            room = min(room, limits.most_rows(STORES[0]), limits.most_rows(STORES[1]))
        if vectors > limits.vector_count:
            return 0
        return min(limits.vector_count, room // vectors, room if name in WRITES_RESULTS else 1)

    def special(self, name: str, rows: int, vectors: int) -> list[Command]:
        """Softmax, layer norm or entropy over rows, in place over the rows that were loaded."""
        commands: list[Command] = []
        most = self.rows_per_command(name, vectors)
        for first in range(0, rows, most):
            count = min(most, rows - first)
            commands += self.load(count * vectors, count * vectors, 0)
            commands.append(self.start(name, (count, vectors)))
            if name in WRITES_RESULTS:
                commands += self.store(count * vectors, 0)
        return commands

    def add(self, vectors: int) -> list[Command]:
        """Sum of two tensors of `vectors` vectors, the parts of both side by side in one load."""
        limits = self.limits
        widest = min(
            limits.second_operand_vector, limits.vector_count, limits.most_rows(LOADS[0]) // 2,
            limits.memory_vectors // 2, limits.most_rows(STORES[0]),
        )  # fmt: skip
        commands: list[Command] = []
        for first in range(0, vectors, widest):
            count = min(widest, vectors - first)
            commands += self.load(2 * count, 2 * count, 0)
            commands.append(self.start("add", (1, count)))
            commands += self.store(count, 0)
        return commands

    def parameters(self, rows: int, medium: str = "") -> list[Command]:
        """Parameter vectors into the auxiliary memory."""
        return [self.transfer("axi_load_aux", rows, 0, medium)]


def traffic_bits(commands: list[Command], vector_size: int) -> int:
    """Bits that the transfers among the commands move."""
    return sum(
        command.sizes[0] * vector_size * (1 if command.start.endswith("mask") else ELEMENT_BITS)
        for command in commands
        if command.start.startswith("axi_")
    )
