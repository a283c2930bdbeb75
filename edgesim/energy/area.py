"""Silicon area of an accelerator, by part."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.energy.costs import array_family
from edgesim.energy.static import MIB_BYTES, placed_media
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.interval import ZERO, Interval
from edgesim.tech import Technology, medium_of

UNKNOWN_PARTS = {
    "sfu": "special function unit",
    "control": "decoders, encoder, DMA and bus ports",
    "regulator": "LDO, its capacitors and ADPLL",
}


@dataclass(frozen=True)
class AreaEstimate:
    """Area of the parts that are modelled; they sum to the total."""

    total_mm2: Interval
    parts_mm2: dict[str, Interval]
    entries: tuple[str, ...]
    not_modelled: tuple[str, ...]


def estimate_area(chip: AcceleratorSpec, technology: Technology) -> AreaEstimate:
    """Area of array, buffers and on-chip storage; parts without a source are named instead.

    A part whose entry has no value is "not modelled", never zero. Off-chip memory has no part.
    """
    parts: dict[str, Interval] = {}
    entries: list[str] = []
    missing: list[str] = []

    def put(name: str, label: str, entry_id: str, amount: float = 1.0) -> None:
        entry = technology.entry(entry_id)
        if entry.interval is None:
            missing.append(f"area of {label}: {entry.conditions}")
            return
        parts[name] = entry.interval.scaled(amount)
        entries.append(entry_id)

    size = chip.pu.vector_size
    put("pu", f"the vector-MAC array at n = {size}", f"{array_family(chip)}.n{size}.area_mm2")
    buffers = chip.buffers
    for name, size_bytes in (
        ("operand0", buffers.operand0.data_bytes + buffers.operand0.mask_bytes),
        ("operand1", buffers.operand1.data_bytes + buffers.operand1.mask_bytes),
        ("auxiliary", buffers.auxiliary_bytes),
    ):
        put(name, name, "sram.buffer_area_mm2_per_mib", size_bytes / MIB_BYTES)
    media = placed_media(chip)
    for family, storage in chip.storage.items():
        mine = [medium for medium in media if storage_family(medium) == family]
        if storage.on_chip and mine:
            figure = "macro_area" if medium_of(mine[0]).is_sram else "area"
            entry_id = f"{mine[0]}.{figure}_mm2_per_mib"
            put(mine[0], mine[0], entry_id, storage.capacity_bytes / MIB_BYTES)
    for name, label in UNKNOWN_PARTS.items():
        put(name, label, f"{name}.area_mm2")
    total = ZERO
    for part in parts.values():
        total = total + part
    return AreaEstimate(total, parts, tuple(dict.fromkeys(entries)), tuple(missing))


def area(chip: AcceleratorSpec, technology: Technology) -> tuple[Interval, dict[str, Interval]]:
    """Total area in mm² and its parts, as in `estimate_area`."""
    estimate = estimate_area(chip, technology)
    return estimate.total_mm2, estimate.parts_mm2
