"""Figures that were executed: a row per command of the table, per file of vectors, per stretch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgesim.sim.op_cycles import op_cycles
from edgesim.sim.player import simulate_segment
from edgesim.units import period_ticks
from edgesim.validation.bench import Bench
from edgesim.validation.executed_rows import ExecutedOp, executed_ops
from edgesim.validation.figure import Figure
from edgesim.validation.testbench import released_sequence, stretch_cycles
from edgesim.validation.vectors import REPLAYS, matching_outputs
from edgesim.validation.verdict import Simulated

SOURCE = (
    "released SystemC (github harvard-acc/EdgeBERT commit 1249ed7, hw/cmod) executed for this "
    "project, cycle-accurate channels"
)


def executed_figures() -> tuple[Figure, ...]:
    """One figure per executed command and one per file of recorded vectors."""
    return (
        *(_cycles(row) for row in executed_ops()),
        *(
            Figure(
                f"systemc.bits.{name}", "SystemC, bits", f"{name}: share of outputs equal",
                "executed", SOURCE, "", 1.0, "equal_bits", {"name": name}, family="vectors",
            )
            for name in REPLAYS
        ),
    )  # fmt: skip


def _cycles(row: ExecutedOp) -> Figure:
    sizes = " x ".join(str(size) for _, size in row.shape)
    density = f", density {row.density}" if row.density else ""
    what = f"{row.op} {sizes}, n = {row.vector_size}{density}"
    return Figure(
        f"systemc.cycles.{row}", "SystemC, cycles", what, "executed", SOURCE, "cycles",
        float(row.cycles), "command_cycles",
        {"op": row.op, "sizes": row.sizes, "vector_size": row.vector_size}, family=row.op,
    )  # fmt: skip


def command_cycles(bench: Bench, op: str, sizes: dict[str, int], vector_size: int) -> Simulated:
    """Cycles of one command of the released hardware."""
    chip = bench.chip("edgebert-hls", pu__vector_size=vector_size)
    return Simulated(float(op_cycles(op, sizes, chip)))


def equal_bits(bench: Bench, name: str) -> Simulated:
    """Share of recorded outputs that are computed to the bit."""
    equal, recorded = matching_outputs(name)
    return Simulated(equal / recorded, note=f"{equal:,} of {recorded:,} outputs equal")


def testbench_cycles(bench: Bench, stretch: str) -> Simulated:
    """Cycles of a stretch of the released top testbench, replayed as one program."""
    chip = bench.chip("edgebert-hls")
    log = simulate_segment(released_sequence(), chip, bench.technology)
    return Simulated(float(stretch_cycles(log, period_ticks(chip.clock.frequency_hz))[stretch]))


MEASURES: dict[str, Callable[..., Any]] = {
    "command_cycles": command_cycles,
    "equal_bits": equal_bits,
    "testbench_cycles": testbench_cycles,
}
