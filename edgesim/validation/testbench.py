"""The command sequence of the released top testbench, as its source has it.

Every register access is a write and a read-back.
"""

from __future__ import annotations

from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.program import Command, OpProgram

RESET_AND_FIRST_WAIT = 104
"""2 ns before and 2 ns in reset, then 100 idle clocks."""


def accesses(count: int, idle: int = 0) -> Command:
    """Registers written and read back, then idle clocks."""
    return Command("", register_writes=count, register_reads=count, idle_cycles=idle)


def load(name: str, memory: int, before: int) -> list[Command]:
    """`before` registers, then a load of 64 rows."""
    return [accesses(before), Command(name, (64,), memory, medium="lpddr4")]


def released_sequence() -> SegmentPlan:
    """The program: one `OpProgram` for each stretch between the executed times."""
    loads = [
        Command("", idle_cycles=RESET_AND_FIRST_WAIT),
        # output base, unit, decoder mode, accumulator, bases, offsets, rows, two addresses, AXI,
        # memory
        *load("axi_load_input", 0, 11), *load("axi_load_input", 1, 1),
        *load("axi_load_mask", 0, 1), *load("axi_load_mask", 1, 1),
        Command("", idle_cycles=10),
        *load("axi_load_aux", 0, 2),
        accesses(1, idle=1),
    ]  # fmt: skip
    programs = {
        "configure matmul": loads,
        "matmul": [Command("matmul", (2, 2, 2))],
        "configure layernorm": [accesses(8, idle=100 + 10 + 1)],
        "layernorm": [Command("layernorm", (2, 32))],
        "configure softmax": [accesses(6, idle=1)],
        "softmax": [accesses(1), Command("softmax", (2, 32))],
        "configure entropy": [accesses(6, idle=2)],
        "entropy": [Command("entropy", (1, 32))],
        "configure dvfs": [
            Command("", register_reads=1), accesses(8, idle=1 + 4 * 5 + 1),
        ],
        "dvfs": [Command("dvfs")],
        "end": [Command("", register_reads=1, idle_cycles=20)],
    }  # fmt: skip
    return SegmentPlan(
        "testbench", 0, 1, (),
        programs=tuple(OpProgram(name, "test", tuple(list_)) for name, list_ in programs.items()),
    )  # fmt: skip


def stretch_cycles(log: EventLog, ticks_per_cycle: int) -> dict[str, int]:
    """Cycles of each stretch, from its first event to its last, and of the `whole`."""
    cycles = {"whole": log.duration_ticks // ticks_per_cycle}
    for number, name in enumerate(log.op_names):
        mine = log.op == number
        span = int(log.end_ticks[mine].max() - log.start_ticks[mine].min())
        cycles[name] = span // ticks_per_cycle
    return cycles
