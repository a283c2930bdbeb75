"""What powering up costs before the first sentence: embeddings at rest, or fetched from DRAM.

Closed forms from the technology entries and the chip's ports; nothing else runs meanwhile. What
happens before a medium's own supply stands is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgesim.energy.static import MIB_BYTES, SRAM_LEAKAGE
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.interval import ZERO, Interval
from edgesim.tech import Technology, interpolate
from edgesim.units import ceil_div

Start = Literal["cold", "self-refresh"]
S_PER_US, S_PER_NS, J_PER_PJ, W_PER_MW = 1e-6, 1e-9, 1e-12, 1e-3
KIB_BYTES = 2**10


@dataclass(frozen=True)
class PowerOnTerm:
    """One part of a path, after the one before it; a part that overlaps has no time."""

    name: str
    time_s: Interval
    energy_j: Interval


@dataclass(frozen=True)
class PowerOnPath:
    """Everything between power and the first usable embedding."""

    name: str
    terms: tuple[PowerOnTerm, ...]

    @property
    def time_s(self) -> Interval:
        """Sum of the terms' times."""
        return _sum([term.time_s for term in self.terms])

    @property
    def energy_j(self) -> Interval:
        """Sum of the terms' energies."""
        return _sum([term.energy_j for term in self.terms])


@dataclass(frozen=True)
class PowerOnCase:
    """What must be there: the whole table, or the rows of one sentence."""

    table_bits: int
    row_bits: tuple[int, ...]
    """Bits that each row of the first sentence moves; empty for case A, the whole table."""


def non_volatile_path(
    chip: AcceleratorSpec, technology: Technology, medium: str, capacity_bytes: int,
    case: PowerOnCase, port_bits: int, read_energy_pj_per_bit: Interval | None = None,
) -> PowerOnPath:  # fmt: skip
    """A medium that holds its data without power: it wakes, and rows are read in place."""
    wake_s = technology.interval(f"{medium}.wake_up_us").scaled(S_PER_US)
    standby = technology.interval(f"{medium}.standby_power_mw_per_mib")
    power = standby.scaled(capacity_bytes / MIB_BYTES * W_PER_MW)
    terms = [PowerOnTerm("wake-up", wake_s, wake_s.times(power))]
    if case.row_bits:
        latency = technology.interval(f"{medium}.read_latency_ns").scaled(S_PER_NS)
        cycle_s = 1 / chip.clock.frequency_hz
        words = sum(ceil_div(bits, port_bits) for bits in case.row_bits)
        time_s = latency.scaled(len(case.row_bits)) + Interval.exact(words * cycle_s)
        each = read_energy_pj_per_bit or technology.interval(f"{medium}.read_energy_pj_per_bit")
        energy = each.scaled(sum(case.row_bits) * J_PER_PJ) + time_s.times(power)
        terms.append(PowerOnTerm("rows read in place", time_s, energy))
    return PowerOnPath(medium, tuple(terms))


def dram_path(
    chip: AcceleratorSpec, technology: Technology, medium: str, start: Start, case: PowerOnCase,
    sram_bytes: int, hold_s: float,
) -> PowerOnPath:  # fmt: skip
    """DRAM through initialisation or out of self-refresh, then the table or the rows moved.

    For the whole table an SRAM of `sram_bytes` is written and leaks for `hold_s` more, the time of
    one sentence. Rows of one sentence are read where they are needed and stored nowhere.
    """
    ready = _ready(technology, medium, start)
    rows = case.row_bits or (case.table_bits,)
    moved = _moved(chip, technology, medium, rows)
    terms = [ready, *moved]
    if not case.row_bits:
        terms += _sram(technology, case.table_bits, sram_bytes, _sum([t.time_s for t in moved]),
                       hold_s)  # fmt: skip
    return PowerOnPath(f"{medium}, {start}", tuple(terms))


def _ready(technology: Technology, medium: str, start: Start) -> PowerOnTerm:
    if start == "cold":
        time_s = technology.interval(f"{medium}.cold_start_us").scaled(S_PER_US)
        power = technology.interval(f"{medium}.cold_start_power_mw")
        return PowerOnTerm("initialisation", time_s, time_s.times(power.scaled(W_PER_MW)))
    time_s = technology.interval(f"{medium}.self_refresh_exit_ns").scaled(S_PER_NS)
    power = technology.interval(f"{medium}.background_power_mw")
    return PowerOnTerm("exit from self-refresh", time_s, time_s.times(power.scaled(W_PER_MW)))


def _moved(
    chip: AcceleratorSpec, technology: Technology, medium: str, rows: Sequence[int]
) -> list[PowerOnTerm]:
    """Transfers one after another: latency, then the port or the medium's rate."""
    storage = chip.storage.get(storage_family(medium))
    port_bits = 64 if storage is None else storage.port_bits
    rate = technology.value(f"{medium}.peak_bandwidth_gb_per_s") * 8e9
    page_bits = technology.value(f"{medium}.page_bytes") * 8
    data_s = sum(
        max(ceil_div(bits, port_bits) / chip.clock.frequency_hz, bits / rate) for bits in rows
    )
    latency = technology.interval(f"{medium}.access_latency_ns").scaled(S_PER_NS * len(rows))
    time_s = latency + Interval.exact(data_s)
    power = technology.interval(f"{medium}.background_power_mw") + technology.interval(
        f"{medium}.refresh_power_mw"
    )
    bits, pages = sum(rows), sum(ceil_div(bits, int(page_bits)) for bits in rows)
    read = technology.interval(f"{medium}.read_energy_pj_per_bit").scaled(bits * J_PER_PJ)
    opened = technology.interval(f"{medium}.activate_energy_pj").scaled(pages * J_PER_PJ)
    return [
        PowerOnTerm("bits read", time_s, read),
        PowerOnTerm("pages opened", ZERO, opened),
        PowerOnTerm("background while reading", ZERO, time_s.times(power.scaled(W_PER_MW))),
    ]


def _sram(
    technology: Technology, bits: int, sram_bytes: int, load_s: Interval, hold_s: float
) -> list[PowerOnTerm]:
    write, _ = interpolate(technology, "sram.macro", "write_energy_pj_per_bit", sram_bytes)
    leak = technology.interval(SRAM_LEAKAGE).scaled(sram_bytes / KIB_BYTES * W_PER_MW)
    return [
        PowerOnTerm("SRAM written", ZERO, write.scaled(bits * J_PER_PJ)),
        PowerOnTerm("SRAM leakage while loading", ZERO, load_s.times(leak)),
        PowerOnTerm("SRAM leakage over one sentence", ZERO, leak.scaled(hold_s)),
    ]


def _sum(parts: Sequence[Interval]) -> Interval:
    total = ZERO
    for part in parts:
        total = total + part
    return total
