"""Power that flows whenever the chip is powered, whatever it does."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.energy.costs import Account
from edgesim.energy.supply import EXPONENT, leakage_scale, regulator_loss
from edgesim.hw.spec import AcceleratorSpec, SiliconSpec, storage_family
from edgesim.ir.interval import ZERO, Interval
from edgesim.tech import Technology, medium_of
from edgesim.units import ceil_div

KIB_BYTES = 2**10
MIB_BYTES = 2**20
HZ_PER_GHZ = 1e9
SRAM_LEAKAGE = "sram.leakage_power_mw_per_kib"


@dataclass(frozen=True)
class StaticPower:
    """Constant power of one part."""

    unit: str
    """Row of the breakdown that it belongs to."""
    account: Account
    power_mw: Interval
    entries: tuple[str, ...]


def placed_media(chip: AcceleratorSpec) -> tuple[str, ...]:
    """Storage media that the placement names, in order of first mention.

    The first word of `placement.activation` is the operand memories, no storage.
    """
    placement = chip.placement
    names = [
        *placement.embedding_weight, *placement.encoder_weight, *placement.offramp_weight,
        *placement.activation[1:],
    ]  # fmt: skip
    return tuple(dict.fromkeys(names))


def static_powers(
    chip: AcceleratorSpec, technology: Technology
) -> tuple[tuple[StaticPower, ...], tuple[str, ...]]:
    """Every static power of a chip, and lines on what was assumed about its storage.

    Leakage follows the voltage; the ADPLL follows the clock; standby of storage follows its
    capacity. Storage that holds nothing under the placement is not powered.
    """
    powers = _on_chip(chip, technology)
    notes: list[str] = []
    media = placed_media(chip)
    for family, storage in chip.storage.items():
        mine = [medium for medium in media if storage_family(medium) == family]
        if not mine:
            notes.append(f"{family} holds nothing under this placement and is not powered")
            continue
        if len(mine) > 1:
            notes.append(f"{family} of several cell types: area and standby are those of {mine[0]}")
        powers += _storage(chip, technology, mine[0], storage.capacity_bytes)
    return tuple(powers), tuple(notes)


def drawn_power_mw(
    chip: AcceleratorSpec, technology: Technology, units: tuple[str, ...] | None = None
) -> Interval:
    """Static power at the supplies, the regulator's loss included; of some units, or of all."""
    loss = Interval.exact(1.0) + regulator_loss(chip, technology)[0]
    powers = [p for p in static_powers(chip, technology)[0] if units is None or p.unit in units]
    drawn = (p.power_mw.times(loss) if p.account == "chip" else p.power_mw for p in powers)
    return sum(drawn, ZERO)


def dram_devices(medium: str, capacity_bytes: int, technology: Technology) -> int:
    """Devices that a capacity takes."""
    device_mib = technology.value(f"{medium}.device_capacity_mib")
    return ceil_div(capacity_bytes, round(device_mib * MIB_BYTES))


def _on_chip(chip: AcceleratorSpec, technology: Technology) -> list[StaticPower]:
    """What flows on chip beside its storage; one power where the whole chip was measured."""
    if chip.silicon is not None:
        power, entries = measured_power(chip, chip.silicon, technology)
        return [StaticPower("whole chip", "chip", power, entries)]
    return [*_buffers(chip, technology), _logic(chip, technology), _adpll(chip, technology)]


def _buffers(chip: AcceleratorSpec, technology: Technology) -> list[StaticPower]:
    buffers = chip.buffers
    sizes = {
        "operand0": buffers.operand0.data_bytes + buffers.operand0.mask_bytes,
        "operand1": buffers.operand1.data_bytes + buffers.operand1.mask_bytes,
        "auxiliary": buffers.auxiliary_bytes,
    }
    return [_sram_leakage(chip, technology, unit, size) for unit, size in sizes.items()]


def _sram_leakage(
    chip: AcceleratorSpec, technology: Technology, unit: str, size_bytes: int,
    entry_id: str = SRAM_LEAKAGE,
) -> StaticPower:  # fmt: skip
    scale, entries = leakage_scale(chip, technology)
    power = technology.interval(entry_id).scaled(size_bytes / KIB_BYTES).times(scale)
    return StaticPower(unit, "chip", power, (entry_id, *entries))


def _logic(chip: AcceleratorSpec, technology: Technology) -> StaticPower:
    entry_id = "logic.leakage_power_mw_per_mac"
    scale, entries = leakage_scale(chip, technology)
    power = technology.interval(entry_id).scaled(chip.pu.vector_size**2).times(scale)
    return StaticPower("logic leakage", "chip", power, (entry_id, *entries))


def _adpll(chip: AcceleratorSpec, technology: Technology) -> StaticPower:
    entry_id = "adpll.power_mw_per_ghz"
    power = technology.interval(entry_id).scaled(chip.clock.frequency_hz / HZ_PER_GHZ)
    return StaticPower("adpll", "chip", power, (entry_id,))


def _storage(
    chip: AcceleratorSpec, technology: Technology, medium: str, capacity_bytes: int
) -> list[StaticPower]:
    account: Account = "chip" if chip.storage[storage_family(medium)].on_chip else "offchip"
    if medium_of(medium).is_sram:
        entry_id = f"{medium}.leakage_power_mw_per_kib"
        return [_sram_leakage(chip, technology, medium, capacity_bytes, entry_id)]
    if medium_of(medium).is_dram:
        device = f"{medium}.device_capacity_mib"
        devices = dram_devices(medium, capacity_bytes, technology)
        names = (f"{medium}.background_power_mw", f"{medium}.refresh_power_mw")
        return [
            StaticPower(medium, account, technology.interval(name).scaled(devices), (name, device))
            for name in names
        ]
    entry_id = f"{medium}.standby_power_mw_per_mib"
    power = technology.interval(entry_id).scaled(capacity_bytes / MIB_BYTES)
    return [StaticPower(medium, account, power, (entry_id,))]


def measured_power(
    chip: AcceleratorSpec, silicon: SiliconSpec, technology: Technology
) -> tuple[Interval, tuple[str, ...]]:
    """Power of a test chip at its clock and voltage, mW, and the entries used.

    The fitted power follows the clock, and the voltage as dynamic energy does; leakage is inside.
    """
    exponent = technology.interval(EXPONENT)
    base = silicon.fitted_at
    speed = chip.clock.frequency_hz / base.frequency_hz
    ratio = chip.clock.voltage_v / base.voltage_v
    ends = sorted(ratio**k for k in (exponent.low, exponent.high))
    scale = Interval(ratio**exponent.value, *ends).scaled(speed)
    used = (silicon.busy_power_entry, silicon.copy_cycles_entry)
    scaled = () if ratio == 1 else (EXPONENT,)
    return technology.interval(silicon.busy_power_entry).times(scale), (*used, *scaled)
