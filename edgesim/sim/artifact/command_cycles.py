"""Cycles of one command on the artifact, from its start to its done signal."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.program import Command
from edgesim.sim.artifact.parameters import artifact_of
from edgesim.sim.artifact.product import matmul_cycles
from edgesim.sim.artifact.special_function import special_function_cycles
from edgesim.sim.artifact.transfer import TRANSFERS, transfer_cycles


@dataclass
class CommandCycles:
    """Cycles of a chip's commands; equal commands are looked up."""

    chip: AcceleratorSpec
    _known: dict[tuple[str, tuple[int, ...], int], int] = field(default_factory=dict)

    def of(self, command: Command) -> int:
        """Cycles of a command, without configuration and interrupt."""
        key = (command.start, command.sizes, command.memory)
        if key not in self._known:
            self._known[key] = self._count(command)
        return self._known[key]

    def _count(self, command: Command) -> int:
        chip, sizes = self.chip, command.sizes
        if command.start in TRANSFERS:
            return transfer_cycles(chip, command.start, sizes[0])
        if command.start == "dvfs":
            return artifact_of(chip).special_functions.dvfs_cycles
        if command.start == "matmul":
            rows, reduction, columns = (size * chip.pu.vector_size for size in sizes)
            return matmul_cycles(chip, rows, reduction, columns, command.memory)
        return special_function_cycles(chip, command.start, *sizes)
