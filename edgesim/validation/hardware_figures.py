"""Simulations of parts: memory macros, the busy array against silicon, one layer's accesses."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from edgesim.energy.ledger import price_segments
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventRecorder
from edgesim.ir.interval import Interval
from edgesim.ir.run import Segment, SimulationRun
from edgesim.numerics.formats import format_bits
from edgesim.pipeline.power_on import power_on
from edgesim.sim.counts import product_counts
from edgesim.sim.op_cycles import op_cycles
from edgesim.tech import interpolate
from edgesim.units import period_ticks
from edgesim.validation.bench import TABLE_DENSITY, Bench
from edgesim.validation.entropies import PADDED_TOKENS
from edgesim.validation.executed_rows import executed_folder
from edgesim.validation.figure import Figure
from edgesim.validation.verdict import Simulated

BUSY_CYCLES = 10**6
QUANTITIES = {
    "cycles": "cycles of the array", "input_read_bits": "inputs read",
    "weight_read_bits": "weights read", "output_write_bits": "outputs written",
}  # fmt: skip
TOOL = "ZigZag 3.9.1 with edgesim's loop nest given, executed for this project"
CYCLES_CAUSE = "the tool counts neither the first fill nor the last drain of the array"
ACCESSES_CAUSE = "the same loop nest moves the same operands"
COLUMNS = {"scores": "scores", "context": "context", "square": "q", "up": "up", "down": "down"}
"""Products of the tool's table and the ops of a layer that they are."""


def entry(bench: Bench, id: str, scale: float = 1.0) -> Simulated:
    """A technology entry, in the figure's unit."""
    return Simulated.of(bench.technology.interval(id).scaled(scale))


def sram_pj_per_bit(bench: Bench, family: str, size_bytes: int, access: str) -> Simulated:
    """Energy of an SRAM access between the points of the tables."""
    energy, _ = interpolate(bench.technology, family, f"{access}_energy_pj_per_bit", size_bytes)
    return Simulated.of(energy)


def busy_array_fj_per_flop(
    bench: Bench, chip: str, voltage_v: float, frequency_mhz: float
) -> Simulated:
    """Chip energy per operation of a fully busy array that reads both operands every cycle."""
    spec = bench.chip(
        chip, clock__voltage=f"{voltage_v} V", clock__frequency=f"{frequency_mhz} MHz"
    )
    joule = _busy_energy_j(bench, spec)
    return Simulated.of(joule.scaled(1e15 / (2 * BUSY_CYCLES * spec.pu.vector_size**2)))


def _busy_energy_j(bench: Bench, chip: AcceleratorSpec) -> Interval:
    """Chip energy of BUSY_CYCLES cycles, with leakage, ADPLL and the regulator's loss."""
    lanes, ticks = chip.pu.vector_size, BUSY_CYCLES * period_ticks(chip.clock.frequency_hz)
    bits = format_bits(chip.pu.number_format)
    trace = bench.albert()
    op = trace.layers[0].ops[0].name
    recorder = EventRecorder()
    recorder.add(0, ticks, "pu", "busy", op, BUSY_CYCLES, 0)
    recorder.add(0, 0, "pu", "mac", op, BUSY_CYCLES * lanes**2, 0)
    for unit in ("operand0", "operand1"):
        recorder.add(0, 0, unit, "data_read", op, 0, BUSY_CYCLES * lanes * bits)
        recorder.add(0, 0, unit, "mask_read", op, 0, BUSY_CYCLES * lanes)
    segment = Segment("layer 1", 1, recorder.freeze("layer 1", ticks), 0)
    nothing = np.zeros(0, dtype=np.int64)
    run = SimulationRun((segment,), ((0,),), nothing, nothing, nothing)
    priced, _ = price_segments(run, trace, chip, bench.technology)
    cells = priced.accounts()["chip"][0]
    return Interval(*(float(end) * 1e-12 for end in cells))


def mapped_product(bench: Bench, product: str, quantity: str) -> Simulated:
    """Cycles of a product of a BERT-base layer, or bits between operand memory and array."""
    row = {row["product"]: row for row in tool_rows()}[product]
    shape = {k: int(row[name]) for k, name in (("m", "rows"), ("k", "reduction"), ("n", "columns"))}
    chip = bench.chip("edgebert-n16")
    if quantity == "cycles":
        return Simulated(float(op_cycles("matmul", shape, chip)))
    plan, _ = bench.layer(chip, bench.albert())
    op = next(op for op in plan.ops if op.name == f"layer1.{COLUMNS[product]}")
    counts = product_counts(op, chip, format_bits(chip.pu.number_format))
    wanted = {
        "input_read_bits": ("operand1", "data_read"), "weight_read_bits": ("operand0", "data_read"),
        "output_write_bits": ("operand1", "data_write"),
    }[quantity]  # fmt: skip
    return Simulated(float(sum(c.bits for c in counts if (c.unit, c.action) == wanted)))


def tool_figures() -> tuple[Figure, ...]:
    """What the mapping tool gives for edgesim's loop nest: a figure per product and quantity."""
    return tuple(
        Figure(
            f"mapping.{row['product']}.{quantity}", "one layer, fixed mapping",
            f"{row['product']} {row['rows']} x {row['reduction']} x {row['columns']}, {words}",
            "mapping tool", TOOL,
            "cycles" if quantity == "cycles" else "bits", float(row[quantity]), "mapped_product",
            {"product": row["product"], "quantity": quantity},
            cause=CYCLES_CAUSE if quantity == "cycles" else ACCESSES_CAUSE,
            family="accesses" if quantity != "cycles" else "",
        )
        for quantity, words in QUANTITIES.items()
        for row in tool_rows()
    )  # fmt: skip


def tool_rows() -> tuple[dict[str, str], ...]:
    """Rows of the mapping tool's table."""
    text = (executed_folder() / "zigzag_fixed_mapping.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(io.StringIO(text)))


def layer_cycles(bench: Bench) -> Simulated:
    """Cycles of the products of a BERT-base layer at 128 tokens, operands on chip."""
    counts = {"square": 4, "scores": 12, "context": 12, "up": 1, "down": 1}
    one = {name: mapped_product(bench, name, "cycles").value or 0.0 for name in counts}
    return Simulated(sum(count * one[name] for name, count in counts.items()))


def power_on_ratio(bench: Bench, case: str, start: str, quantity: str) -> Simulated:
    """Time or energy of a fetch from LPDDR4 at power-on over reading ReRAM in place."""
    key = f"{case} {start}"
    found = power_on(
        bench.albert(0.5, TABLE_DENSITY), bench.chip("edgebert-n16"), pad_to=PADDED_TOKENS,
        technology=bench.technology,
    )  # fmt: skip
    row = {f"{row.case} {row.start}": row for row in found.rows}[key]
    return Simulated.of(row.time_ratio if quantity == "time" else row.energy_ratio)


MEASURES: dict[str, Callable[..., Any]] = {
    measure.__name__: measure
    for measure in (
        entry, sram_pj_per_bit, busy_array_fj_per_flop, mapped_product, layer_cycles,
        power_on_ratio,
    )
}  # fmt: skip
