"""What it costs to turn a chip to another task: tables of the task, and weights that were not kept.

Closed forms from the technology entries and the chip's ports. Embeddings are shared and stay.
Addresses of the other weights cost nothing here: every op's configuration writes them anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgesim.energy.costs import action_cost
from edgesim.energy.power_on import PowerOnTerm
from edgesim.energy.static import drawn_power_mw
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.interval import ZERO, Interval
from edgesim.tech import Technology, medium_of
from edgesim.units import TICKS_PER_S, ceil_div, period_ticks

J_PER_PJ, W_PER_MW, S_PER_NS = 1e-12, 1e-3, 1e-9


@dataclass(frozen=True)
class TaskSwitch:
    """One switch, term by term; a term that overlaps another has no time."""

    terms: tuple[PowerOnTerm, ...]

    @property
    def time_s(self) -> Interval:
        """Sum of the terms' times."""
        return sum((term.time_s for term in self.terms), ZERO)

    @property
    def energy_j(self) -> Interval:
        """Sum of the terms' energies."""
        return sum((term.energy_j for term in self.terms), ZERO)


def task_switch(
    chip: AcceleratorSpec, technology: Technology, source: str, table_bits: int,
    reloaded_bits: Mapping[str, int],
) -> TaskSwitch:  # fmt: skip
    """The switch to a task whose tables hold `table_bits`, read from `source` with its weights.

    `reloaded_bits` says by medium what must be written there first; empty where the task's weights
    are kept. Words are written as they arrive, or pulse by pulse where a medium takes a pulse.
    """
    terms = []
    if table_bits:
        terms += _moved(chip, technology, source, "auxiliary", table_bits, "task tables")
    for medium, bits in reloaded_bits.items():
        terms += _moved(chip, technology, source, medium, bits, f"weights into {medium}")
    time_s = sum((term.time_s for term in terms), ZERO)
    drawn_w = drawn_power_mw(chip, technology).scaled(W_PER_MW)
    powered = PowerOnTerm("chip and memories powered", ZERO, time_s.times(drawn_w))
    return TaskSwitch((*terms, powered))


def fetched(chip: AcceleratorSpec, technology: Technology, source: str, bits: int) -> PowerOnTerm:
    """Bits read from DRAM and carried on chip, as the embeddings of a task would be."""
    read, _ = _moved(chip, technology, source, "auxiliary", bits, "embeddings")
    return read


def _moved(
    chip: AcceleratorSpec, technology: Technology, source: str, target: str, bits: int, what: str
) -> list[PowerOnTerm]:
    """One transfer: read, carried, written; writing that takes longer adds its rest of the time."""
    period_s = period_ticks(chip.clock.frequency_hz) / TICKS_PER_S
    port_bits = chip.storage[storage_family(source)].port_bits
    latency = technology.interval(f"{source}.access_latency_ns").scaled(S_PER_NS)
    rate = technology.value(f"{source}.peak_bandwidth_gb_per_s") * 8e9
    data_s = max(ceil_div(bits, port_bits) * period_s, bits / rate)
    read_s = latency + Interval.exact(data_s)
    pages = ceil_div(bits, int(technology.value(f"{source}.page_bytes")) * 8)
    read = _energy(chip, technology, source, "read", bits)
    opened = action_cost(chip, technology, source, "activate").energy_pj.scaled(pages * J_PER_PJ)
    carried = _energy(chip, technology, "dma", "transfer", bits)
    written = _energy(chip, technology, target, "write", bits)
    pulse_s = _write_s(chip, technology, target, bits)
    ends = (max(0.0, s - data_s) for s in (pulse_s.value, pulse_s.low, pulse_s.high))
    longer = Interval(*ends)
    return [
        PowerOnTerm(f"{what}: read from {source}", read_s, read + opened + carried),
        PowerOnTerm(f"{what}: written", longer, written),
    ]


def _write_s(chip: AcceleratorSpec, technology: Technology, target: str, bits: int) -> Interval:
    """Time of the pulses that write a medium word by word; 0 where it takes none."""
    if target == "auxiliary" or not medium_of(target).is_non_volatile:
        return ZERO
    words = ceil_div(bits, chip.storage[storage_family(target)].port_bits)
    return technology.interval(f"{target}.write_latency_ns").scaled(words * S_PER_NS)


def _energy(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str, bits: int
) -> Interval:
    return action_cost(chip, technology, unit, action).energy_pj.scaled(bits * J_PER_PJ)
