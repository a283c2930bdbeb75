"""Dynamic energy of one count, bit or cycle of every action that an EventLog can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgesim.energy.supply import dynamic_scale
from edgesim.errors import TechnologyError
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.interval import Interval
from edgesim.ir.ops import facts_of
from edgesim.tech import Technology, interpolate, known_media

Measure = Literal["count", "bits", "cycles"]
Account = Literal["chip", "offchip", "host"]

HOST_ACTIONS = ("issue", "interrupt", "compute", "decide", "copy")
DECODERS = 2
"""Operands of a product, each behind its own bitmask decoder; the SFU reads through one."""
BITS_PER_BYTE = 8


@dataclass(frozen=True)
class ActionCost:
    """What one unit of an action costs, at the chip's operating point."""

    measure: Measure
    """Column of the activity that multiplies: count, bits, or busy time in clock cycles."""
    energy_pj: Interval
    entries: tuple[str, ...]
    """Technology entries behind it."""


def account_of(chip: AcceleratorSpec, unit: str) -> Account:
    """Whether a unit's energy is counted as chip, off-chip memory or host."""
    if unit == "host":
        return "host"
    if unit in known_media():
        storage = chip.storage.get(storage_family(unit))
        if storage is None:
            raise TechnologyError(f"unit {unit!r}: chip {chip.name} has no such storage")
        return "chip" if storage.on_chip else "offchip"
    return "chip"


def action_cost(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost:
    """Cost of an action of a unit; TechnologyError names both where nothing prices them.

    Nothing on a test chip costs energy by itself: its power was measured as a whole.
    """
    if chip.silicon is not None and account_of(chip, unit) == "chip":
        return ActionCost("count", Interval.exact(0.0), ())
    medium = known_media().get(unit)
    pricer = _PRICERS.get(unit) if medium is None else _MEDIA_PRICERS[medium.medium_class]
    cost = None if pricer is None else pricer(chip, technology, unit, action)
    if cost is None:
        raise TechnologyError(
            f"unit {unit!r}, action {action!r}: no technology entry prices it; units priced are "
            f"{', '.join(_PRICERS)} and the storage media; add the action to "
            "edgesim/energy/costs.py"
        )
    return cost


def array_family(chip: AcceleratorSpec) -> str:
    """Prefix of the array's entries: `pu.int8` for INT8 operands, else `pu`.

    Those of `pu` are of the published AdaptivFloat<8,3> element, whatever the format.
    """
    return "pu.int8" if chip.pu.number_format == "int8" else "pu"


def data_bank_bytes(size_bytes: int, vector_size: int) -> int:
    """Bank size of a buffer in `vector_size` banks, each with a port of one byte."""
    return size_bytes // vector_size


def mask_bank_bytes(size_bytes: int, vector_size: int) -> int:
    """Bank size of a mask memory that delivers `vector_size` bits a cycle through byte ports.

    Below 8 bits one byte is read and held for several cycles (assumed).
    """
    return size_bytes // max(1, vector_size // BITS_PER_BYTE)


def _single(
    technology: Technology, entry_id: str, measure: Measure, scale: Interval | None = None
) -> ActionCost:
    energy = technology.interval(entry_id)
    return ActionCost(measure, energy.times(scale) if scale else energy, (entry_id,))


def _host(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost | None:
    if action not in HOST_ACTIONS:
        return None
    return _single(technology, "host.energy_pj_per_cycle", "cycles")


def _dma(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost | None:
    if action != "transfer":
        return None
    scale, entries = dynamic_scale(chip, technology)
    cost = _single(technology, "dma.transfer_energy_pj_per_bit", "bits", scale)
    return ActionCost(cost.measure, cost.energy_pj, cost.entries + entries)


def _pu(chip: AcceleratorSpec, technology: Technology, unit: str, action: str) -> ActionCost | None:
    size = chip.pu.vector_size
    mac_id = f"{array_family(chip)}.n{size}.mac_energy_pj"
    scale, entries = dynamic_scale(chip, technology)
    if action == "busy":
        entry_id = "pu.decode_energy_pj_per_lane_cycle"
        energy = technology.interval(entry_id).scaled(DECODERS * size)
        return ActionCost("count", energy.times(scale), (entry_id, *entries))
    if action == "mac":
        return ActionCost("count", technology.interval(mac_id).times(scale), (mac_id, *entries))
    if action == "mac_gated":
        gate_id = "pu.gated_mac_energy_fraction"
        energy = technology.interval(mac_id).times(technology.interval(gate_id))
        return ActionCost("count", energy.times(scale), (mac_id, gate_id, *entries))
    if action == "activation":
        entry_id = "pu.activation_energy_pj_per_element"
        energy = technology.interval(entry_id)
        return ActionCost("count", energy.times(scale), (entry_id, *entries))
    return None


def _sfu(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost | None:
    scale, entries = dynamic_scale(chip, technology)
    if action == "busy":
        entry_id = "pu.decode_energy_pj_per_lane_cycle"
        energy = technology.interval(entry_id).scaled(chip.pu.vector_size)
    elif facts_of(action).unit == "sfu":
        entry_id = f"sfu.{action}_energy_pj_per_element"
        energy = technology.interval(entry_id)
    else:
        return None
    return ActionCost("count", energy.times(scale), (entry_id, *entries))


def _sram(
    chip: AcceleratorSpec, technology: Technology, family: str, access: str, size_bytes: int
) -> ActionCost:
    energy, points = interpolate(technology, family, f"{access}_energy_pj_per_bit", size_bytes)
    scale, entries = dynamic_scale(chip, technology)
    return ActionCost("bits", energy.times(scale), (*points, *entries))


def _operand(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost | None:
    part, _, access = action.partition("_")
    if part not in ("data", "mask") or access not in ("read", "write"):
        return None
    memory = chip.buffers.operand0 if unit == "operand0" else chip.buffers.operand1
    size = chip.pu.vector_size
    if part == "data":
        bank_bytes = data_bank_bytes(memory.data_bytes, size)
    else:
        bank_bytes = mask_bank_bytes(memory.mask_bytes, size)
    return _sram(chip, technology, "sram.bank", access, bank_bytes)


def _auxiliary(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost | None:
    if action not in ("read", "write"):
        return None
    bank_bytes = data_bank_bytes(chip.buffers.auxiliary_bytes, chip.pu.vector_size)
    return _sram(chip, technology, "sram.bank", action, bank_bytes)


def _storage_sram(
    chip: AcceleratorSpec, technology: Technology, unit: str, action: str
) -> ActionCost | None:
    storage = chip.storage.get(storage_family(unit))
    if action not in ("read", "write") or storage is None:
        return None
    return _sram(chip, technology, f"{unit}.macro", action, storage.capacity_bytes)


def _non_volatile(
    chip: AcceleratorSpec, technology: Technology, medium: str, action: str
) -> ActionCost | None:
    if action not in ("read", "write"):
        return None
    return _single(technology, f"{medium}.{action}_energy_pj_per_bit", "bits")


def _dram(
    chip: AcceleratorSpec, technology: Technology, medium: str, action: str
) -> ActionCost | None:
    if action in ("read", "write"):
        return _single(technology, f"{medium}.{action}_energy_pj_per_bit", "bits")
    if action == "activate":
        return _single(technology, f"{medium}.activate_energy_pj", "count")
    return None


_Pricer = Callable[[AcceleratorSpec, Technology, str, str], ActionCost | None]
_PRICERS: dict[str, _Pricer] = {
    "host": _host, "dma": _dma, "pu": _pu, "sfu": _sfu, "operand0": _operand,
    "operand1": _operand, "auxiliary": _auxiliary,
}  # fmt: skip
"""By unit."""
_MEDIA_PRICERS: dict[str, _Pricer] = {
    "sram": _storage_sram, "dram": _dram, "non-volatile": _non_volatile,
}  # fmt: skip
"""By class of a storage medium."""
