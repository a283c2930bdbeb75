"""Cycles of the special function unit under its schedules, from the programs in the chip file."""

from __future__ import annotations

from edgesim.hw.spec import AcceleratorSpec, SfuProgram, SfuSpec
from edgesim.ir.plan import PlannedOp
from edgesim.units import ceil_div

SCHEDULES = ("pipelined", "fsm_ii", "fsm")


def vector_op_cycles(chip: AcceleratorSpec, op: PlannedOp) -> int:
    """Cycles of one command of a special-function or movement op."""
    vectors = ceil_div(op.reduction, chip.pu.vector_size)
    if op.kind in chip.sfu.programs:
        return program_cycles(chip.sfu, op.kind, op.rows, vectors)
    return movement_cycles(chip.sfu, op.rows, vectors)


def program_cycles(sfu: SfuSpec, kind: str, rows: int, vectors: int) -> int:
    """Cycles of softmax, layernorm, add or entropy over `rows` rows of `vectors` n-vectors."""
    program = sfu.programs[kind]
    if sfu.schedule == "pipelined":
        return rows * vectors * program.activation_reads + sfu.pipeline_fill_cycles
    if sfu.schedule == "fsm_ii":
        states = rows * (vectors * program.states_per_vector + program.row_cycles)
        return (states + program.op_cycles) * program.initiation_interval
    per_vector = sum(_step_cycles(sfu, step) for steps in program.passes for step in steps)
    return rows * (vectors * per_vector + program.row_cycles) + program.op_cycles


def _step_cycles(sfu: SfuSpec, step: str) -> int:
    if step == "activation":
        return sfu.activation_fetch_cycles
    return sfu.auxiliary_fetch_cycles if step == "auxiliary" else 1


def movement_cycles(sfu: SfuSpec, rows: int, vectors: int) -> int:
    """Cycles of pooling, relayout and embedding decode: one vector per cycle plus the fill."""
    return rows * vectors + sfu.pipeline_fill_cycles


def program_of(sfu: SfuSpec, kind: str) -> SfuProgram:
    """The program of an op kind."""
    return sfu.programs[kind]
