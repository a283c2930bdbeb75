"""A chip between sentences: what it draws asleep, and what waking up takes."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.energy.static import dram_devices, drawn_power_mw, placed_media
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.sim.operating_points import change_ticks, operating_points
from edgesim.tech import Technology, media_of_class, medium_of
from edgesim.units import TICKS_PER_S

S_PER_NS, S_PER_US, W_PER_MW = 1e-9, 1e-6, 1e-3
RETAINED = ("operand0", "operand1", "auxiliary", "logic leakage")
"""Parts on chip that hold their state asleep, beside storage of SRAM."""


@dataclass(frozen=True)
class Standby:
    """Sleep at the lowest voltage, with what has to happen before the next sentence."""

    wake_s: float
    """Regulator and clock, non-volatile memory and DRAM wake side by side; the slowest decides."""
    asleep_w: float
    awake_w: float
    """Drawn while waking up and while the point changes, ahead of any work."""
    return_s: dict[str, float]
    """By operating point in words: the way back to full speed after a sentence that ran at it."""
    notes: tuple[str, ...] = ()
    """What is not modelled."""

    @classmethod
    def of(cls, chip: AcceleratorSpec, technology: Technology) -> Standby:
        """Standby of a chip from its technology entries.

        Asleep: leakage of logic and SRAM at the lowest voltage behind the regulator, clock
        generator and non-volatile memory off, DRAM in self-refresh. Storage without contents is
        not powered. A chip without voltage pairs keeps its own voltage.
        """
        low, wakes, back = chip, [0.0], {}
        if chip.voltage_scaling is not None:
            points, _ = operating_points(chip, technology)
            full = points[-1]
            low = chip.at(points[0].frequency_hz, points[0].voltage_v)
            back = {p.words(): change_ticks(p, full, technology) / TICKS_PER_S for p in points}
            wakes.append(back[points[0].words()])
        media = [name for name in placed_media(chip) if not medium_of(name).is_sram]
        wakes += [_medium_wake_s(medium, technology) for medium in media]
        asleep_mw = drawn_power_mw(low, technology, (*RETAINED, *media_of_class("sram"))).value
        asleep_mw += sum(_self_refresh_mw(chip, medium, technology) for medium in media)
        notes = ("not modelled: power of the test chip asleep; DRAM alone is counted there",)
        return cls(
            max(wakes), asleep_mw * W_PER_MW, drawn_power_mw(chip, technology).value * W_PER_MW,
            back, notes if chip.silicon is not None else (),
        )  # fmt: skip


def _medium_wake_s(medium: str, technology: Technology) -> float:
    if medium_of(medium).is_dram:
        return technology.value(f"{medium}.self_refresh_exit_ns") * S_PER_NS
    return technology.value(f"{medium}.wake_up_us") * S_PER_US


def _self_refresh_mw(chip: AcceleratorSpec, medium: str, technology: Technology) -> float:
    if not medium_of(medium).is_dram:
        return 0.0
    capacity_bytes = chip.storage[storage_family(medium)].capacity_bytes
    devices = dram_devices(medium, capacity_bytes, technology)
    return devices * technology.value(f"{medium}.self_refresh_power_mw")
