"""Accesses and operations of the artifact's commands; zero skipping saves reads, not cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.ops import facts_of
from edgesim.ir.program import Command
from edgesim.sim.counts import Count
from edgesim.sim.vector_unit import program_of

MEMORIES = ("operand0", "operand1")
_Key = tuple[str, str]
_Tally = Counter[_Key]


def command_counts(
    commands: Iterable[Command], repeats: int, chip: AcceleratorSpec, element_bits: int
) -> list[Count]:
    """Sums over `repeats` times the commands, by unit and action."""
    counts: _Tally = Counter()
    bits: _Tally = Counter()
    for command in commands:
        if command.start == "matmul":
            _product(command, chip.pu.vector_size, element_bits, counts, bits)
        elif command.start.startswith("axi_"):
            _transfer(command, chip.pu.vector_size, element_bits, bits)
        elif command.start in chip.sfu.programs:
            _special(command, chip, element_bits, counts, bits)
    return [
        Count(unit, action, counts[unit, action] * repeats, bits[unit, action] * repeats)
        for unit, action in sorted({*counts, *bits})
    ]


def _product(command: Command, n: int, element_bits: int, counts: _Tally, bits: _Tally) -> None:
    """Both operands are read again for every tile of the other side."""
    row_tiles, reduction_tiles, column_tiles = command.sizes
    reads = command.reads
    if reads is None:
        return
    outputs = row_tiles * column_tiles * n
    possible = outputs * reduction_tiles * n
    counts["pu", "mac"] += reads.executed_dot_products * n
    counts["pu", "mac_gated"] += (possible - reads.executed_dot_products) * n
    bits["operand0", "data_read"] += reads.right_nonzeros * row_tiles * element_bits
    bits["operand1", "data_read"] += reads.left_nonzeros * column_tiles * element_bits
    for memory in MEMORIES:
        bits[memory, "mask_read"] += outputs * reduction_tiles * n
    bits[MEMORIES[command.memory], "data_write"] += reads.output_nonzeros * element_bits
    bits[MEMORIES[command.memory], "mask_write"] += outputs * n


def _transfer(command: Command, n: int, element_bits: int, bits: _Tally) -> None:
    masks = command.start.endswith("mask")
    moved = command.sizes[0] * n * (1 if masks else element_bits)
    if command.start == "axi_load_aux":
        bits["auxiliary", "write"] += moved
        return
    side = "write" if "_load_" in command.start else "read"
    bits[MEMORIES[command.memory], f"{'mask' if masks else 'data'}_{side}"] += moved


def _special(
    command: Command, chip: AcceleratorSpec, element_bits: int, counts: _Tally, bits: _Tally
) -> None:
    """Operands of special functions are stored dense."""
    elements = command.sizes[0] * command.sizes[1] * chip.pu.vector_size
    program = program_of(chip.sfu, command.start)
    memory = MEMORIES[command.memory]
    counts["sfu", command.start] += elements
    bits[memory, "data_read"] += elements * program.activation_reads * element_bits
    bits[memory, "mask_read"] += elements * program.activation_reads
    bits["auxiliary", "read"] += elements * program.auxiliary_reads * element_bits
    written = facts_of(command.start).written_elements(1, elements)
    bits[memory, "data_write"] += written * element_bits
    bits[memory, "mask_write"] += written
