"""The analytic twin of a played command list: the sum of its parts, without events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

from edgesim.hw.spec import AcceleratorSpec, SfuSpec
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.program import Command, OpProgram
from edgesim.numerics.formats import format_bits
from edgesim.sim.artifact.parameters import artifact_of, copy_cycles
from edgesim.sim.artifact.product import matmul_cycles
from edgesim.sim.op_cycles import op_cycles
from edgesim.tech import Technology

_Op = tuple[str, tuple[int, ...], int]
"""Start, sizes and memory of a command: what its cycles at work depend on."""


def programs_ticks(
    plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology, sfus: Sequence[SfuSpec]
) -> list[int]:
    """Ticks of a segment that is planned as command lists, for each special function unit."""
    ops: Counter[_Op] = Counter()
    cycles = 0
    for program in plan.programs:
        cycles += ceil(program.host_elements * chip.host.cycles_per_element)
        cycles += chip.host.status_read_cycles * program.decides
        cycles += program.repeats * sum(_issue_cycles(c, chip) for c in program.commands)
        _add_ops(ops, program)
    special = {op: count for op, count in ops.items() if op[0] in chip.sfu.programs}
    for op, count in ops.items():
        if op not in special:
            cycles += count * (_op_cycles(op, chip) + _copies(op, chip, technology))
    chips = [chip.model_copy(update={"sfu": sfu}) for sfu in sfus]
    totals = [
        cycles + sum(count * _op_cycles(op, at) for op, count in special.items()) for at in chips
    ]
    return [total * round(1e12 / chip.clock.frequency_hz) for total in totals]


def _issue_cycles(command: Command, chip: AcceleratorSpec) -> int:
    """What software spends on a command: waits, registers, and the interrupt at its end."""
    spec = artifact_of(chip).commands
    cycles = command.idle_cycles + command.register_writes * chip.host.config_write_cycles
    cycles += command.register_reads * spec.register_read_cycles
    if not command.start:
        return cycles
    return cycles + spec.sequences[command.start].interrupt_cycles  # type: ignore[index]


def _add_ops(ops: Counter[_Op], program: OpProgram) -> None:
    for command in program.commands:
        if command.start:
            ops[command.start, command.sizes, command.memory] += program.repeats


def _op_cycles(op: _Op, chip: AcceleratorSpec) -> int:
    start, sizes, memory = op
    n = chip.pu.vector_size
    if start == "matmul":
        rows, reduction, columns = (size * n for size in sizes)
        return matmul_cycles(chip, rows, reduction, columns, memory)
    if start == "dvfs":
        return op_cycles("dvfs", {"m": 1}, chip)
    if start.startswith("axi_"):
        return op_cycles(start, {"m": sizes[0]}, chip)
    rows, vectors = sizes
    return op_cycles("elemadd" if start == "add" else start, {"m": rows, "k": vectors * n}, chip)


def _copies(op: _Op, chip: AcceleratorSpec, technology: Technology) -> int:
    """Cycles in which the host copies what a transfer moves."""
    start, sizes, _ = op
    if not start.startswith("axi_"):
        return 0
    row_bits = 1 if start.endswith("mask") else format_bits(chip.pu.number_format)
    return copy_cycles(chip, technology, sizes[0] * chip.pu.vector_size * row_bits)
