"""Plays command lists on the artifact: host, AXI, array and special functions in strict turn.

Memories have one port and the release waits for every interrupt, so nothing overlaps and one
clock, moved on by whoever works, is the whole schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog, EventRecorder
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.program import Command, OpProgram
from edgesim.numerics.formats import format_bits
from edgesim.sim.artifact.parameters import artifact_of, copy_cycles
from edgesim.sim.artifact.product import matmul_cycles
from edgesim.sim.artifact.program_counts import command_counts
from edgesim.sim.artifact.special_function import special_function_cycles
from edgesim.sim.artifact.transfer import TRANSFERS, transfer_cycles
from edgesim.sim.memory import MediumTiming, medium_timing
from edgesim.tech import Technology
from edgesim.units import period_ticks


def play_programs(plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> EventLog:
    """Event log of a segment that is planned as command lists."""
    return _Player(plan, chip, technology).run()


class _Player:
    """The state of one segment in play."""

    def __init__(self, plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> None:
        self.plan, self.chip, self.technology = plan, chip, technology
        self.now = 0
        self.recorder = EventRecorder()
        self.period = period_ticks(chip.clock.frequency_hz)
        self.element_bits = format_bits(chip.pu.number_format)
        self.commands = artifact_of(chip).commands
        self.cycles = _CommandCycles(chip)
        self.media: dict[str, MediumTiming] = {}

    def run(self) -> EventLog:
        """Play all programs to the end."""
        for program in self.plan.programs:
            if program.host_function:
                self._compute(program)
            for _ in range(program.repeats):
                for command in program.commands:
                    self._command(program.op, command)
            if program.decides:
                self._busy("host", "decide", program.op, self.chip.host.status_read_cycles, 1)
            self._count(program)
        return self.recorder.freeze(self.plan.label, self.now)

    def _command(self, op: str, command: Command) -> None:
        """Registers, start, the unit at work, interrupt."""
        host = self.chip.host
        issue = (
            command.idle_cycles
            + command.register_writes * host.config_write_cycles
            + command.register_reads * self.commands.register_read_cycles
        )
        accesses = command.register_writes + command.register_reads
        if issue:
            self._busy("host", "issue", op, issue, accesses)
        if not command.start:
            return
        if command.start.startswith("axi_"):
            self._transfer(op, command)
        else:
            unit = "pu" if command.start == "matmul" else "sfu"
            cycles = self.cycles.of(command)
            self._busy(unit, "busy", op, cycles, cycles)
        interrupt = self.commands.sequences[command.start].interrupt_cycles  # type: ignore[index]
        self._busy("host", "interrupt", op, interrupt, 1)

    def _transfer(self, op: str, command: Command) -> None:
        """Bits through AXI; the memory behind it answers a beat a cycle."""
        masks = command.start.endswith("mask")
        bits = command.sizes[0] * self.chip.pu.vector_size * (1 if masks else self.element_bits)
        copies = copy_cycles(self.chip, self.technology, bits)
        action = "read" if "_load_" in command.start else "write"
        if copies and action == "read":
            self._busy("host", "copy", op, copies, 1, bits)
        start = self.now
        self._busy("dma", "transfer", op, self.cycles.of(command), 1, bits)
        self._storage(command.medium, action, op, 1, bits, start)
        if copies and action == "write":
            self._busy("host", "copy", op, copies, 1, bits)

    def _compute(self, program: OpProgram) -> None:
        """Work of the host, which reads and writes the storage itself while it computes."""
        cycles = ceil(program.host_elements * self.chip.host.cycles_per_element)
        self._busy("host", "compute", program.op, cycles, program.host_elements)
        now = self.now
        for action, bits in (("read", program.host_read_bits), ("write", program.host_write_bits)):
            if bits:
                self._storage(program.medium, action, program.op, 1, bits, now)
        for read in self.plan.embedding_reads:
            if program.table and read.table == program.table:
                self._storage(read.medium, "read", program.op, 1, read.bits, now)

    def _storage(
        self, medium: str, action: str, op: str, count: int, bits: int, start: int
    ) -> None:
        """An access of the storage since `start`, and the pages that it opens."""
        if medium not in self.media:
            self.media[medium] = medium_timing(self.chip, self.technology, medium)
        self.recorder.add(start, self.now, medium, action, op, count, bits)
        pages = self.media[medium].pages(bits)
        if pages:
            self.recorder.add(start, start, medium, "activate", op, pages, 0)

    def _busy(
        self, unit: str, action: str, op: str, cycles: int, count: int, bits: int = 0
    ) -> None:
        start = self.now
        self.now += cycles * self.period
        self.recorder.add(start, self.now, unit, action, op, count, bits)

    def _count(self, program: OpProgram) -> None:
        now = self.now
        counts = command_counts(program.commands, program.repeats, self.chip, self.element_bits)
        for count in counts:
            self.recorder.add(
                now, now, count.unit, count.action, program.op, count.count, count.bits
            )


@dataclass
class _CommandCycles:
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
