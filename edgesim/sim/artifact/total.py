"""The analytic twin of a played command list: the sum of its parts, without events."""

from __future__ import annotations

from collections import Counter
from math import ceil

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.program import Command, OpProgram
from edgesim.numerics.formats import format_bits
from edgesim.sim.artifact.parameters import artifact_of, copy_cycles
from edgesim.sim.artifact.product import matmul_cycles
from edgesim.sim.op_cycles import op_cycles
from edgesim.tech import Technology


def programs_ticks(plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> int:
    """Ticks of a segment that is planned as command lists."""
    cycles = sum(_program_cycles(program, chip, technology) for program in plan.programs)
    return cycles * round(1e12 / chip.clock.frequency_hz)


def _program_cycles(program: OpProgram, chip: AcceleratorSpec, technology: Technology) -> int:
    cycles = ceil(program.host_elements * chip.host.cycles_per_element)
    cycles += chip.host.status_read_cycles * program.decides
    for command, count in Counter(program.commands).items():
        cycles += program.repeats * count * _command_cycles(command, chip)
        cycles += program.repeats * count * _copies(command, chip, technology)
    return cycles


def _copies(command: Command, chip: AcceleratorSpec, technology: Technology) -> int:
    """Cycles in which the host copies what a transfer moves."""
    if not command.start.startswith("axi_"):
        return 0
    row_bits = 1 if command.start.endswith("mask") else format_bits(chip.pu.number_format)
    moved = command.sizes[0] * chip.pu.vector_size * row_bits
    return copy_cycles(chip, technology, moved)


def _command_cycles(command: Command, chip: AcceleratorSpec) -> int:
    spec = artifact_of(chip).commands
    cycles = command.idle_cycles + command.register_writes * chip.host.config_write_cycles
    cycles += command.register_reads * spec.register_read_cycles
    if not command.start:
        return cycles
    interrupt = spec.sequences[command.start].interrupt_cycles  # type: ignore[index]
    return cycles + interrupt + _op_cycles(command, chip)


def _op_cycles(command: Command, chip: AcceleratorSpec) -> int:
    n = chip.pu.vector_size
    if command.start == "matmul":
        rows, reduction, columns = (size * n for size in command.sizes)
        return matmul_cycles(chip, rows, reduction, columns, command.memory)
    if command.start == "dvfs":
        return op_cycles("dvfs", {"m": 1}, chip)
    if command.start.startswith("axi_"):
        return op_cycles(command.start, {"m": command.sizes[0]}, chip)
    name = "elemadd" if command.start == "add" else command.start
    rows, vectors = command.sizes
    return op_cycles(name, {"m": rows, "k": vectors * n}, chip)
