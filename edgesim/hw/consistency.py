"""Faults of a chip that lie between its fields: placements without storage, memories too small."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgesim.errors import InputError
from edgesim.tech import known_media, medium_of, writable_media
from edgesim.units import parse_bytes

BUFFERS = "sram"
"""First word of `placement.activation`: the operand memories, no storage."""
TENSOR_CLASSES = ("embedding_weight", "encoder_weight", "offramp_weight", "activation")
OPERAND_MEMORIES = ("operand0", "operand1")


def storage_family(medium: str) -> str:
    """The macro that holds a medium: all ReRAM cells share `reram`."""
    known = known_media().get(medium)
    return medium if known is None else known.storage


def may_be_written(medium: str, writable: bool | None) -> bool:
    """Whether a medium can be written, given what its chip says of it (None: nothing)."""
    return medium_of(medium).writable if writable is None else writable


@dataclass(frozen=True)
class ChipParts:
    """What the checks between fields look at; a part that is itself faulty is left out."""

    vector_size: int | None = None
    data_bytes: Mapping[str, int] = field(default_factory=dict)
    """By operand memory."""
    mask_bytes: Mapping[str, int] = field(default_factory=dict)
    storage: Collection[str] | None = None
    writable: Mapping[str, bool] = field(default_factory=dict)
    """By storage, where the chip says so."""
    placement: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Media by tensor class."""
    schedule: str | None = None
    operand_tile_buffers: int | None = None


def consistency_faults(parts: ChipParts) -> list[str]:
    """One line `dotted.path: what is wrong` per fault."""
    faults = []
    for tensor_class, media in parts.placement.items():
        faults += _placement_faults(tensor_class, media, parts)
    if parts.schedule == "artifact" and (parts.operand_tile_buffers or 1) > 1:
        faults.append(
            f"pu.operand_tile_buffers: got {parts.operand_tile_buffers}; schedule artifact does "
            "not overlap operand load and compute, so this must be 1"
        )
    n = parts.vector_size
    if n is None:
        return faults
    for name, size in parts.data_bytes.items():
        if size < 2 * n * n:
            faults.append(
                f"buffers.{name}.data: {size} B hold no two {n} × {n} tiles of one byte; "
                f"at least {2 * n * n} B"
            )
    for name, size in parts.mask_bytes.items():
        if 8 * size < 2 * n * n:
            faults.append(
                f"buffers.{name}.mask: {size} B hold no masks of two {n} × {n} tiles; "
                f"at least {n * n // 4 or 1} B"
            )
    return faults


def _placement_faults(tensor_class: str, media: Sequence[str], parts: ChipParts) -> list[str]:
    storage = parts.storage
    path = f"placement.{tensor_class}"
    faults = []
    resting = list(media)
    if tensor_class == "activation":
        if media[0] != BUFFERS:
            faults.append(f"{path}: the first medium must be {BUFFERS}, the operand memories")
        else:
            resting = list(media[1:])
        for medium in resting:
            family = storage_family(medium)
            said = parts.writable.get(family)
            if medium in known_media() and not may_be_written(medium, said):
                faults.append(
                    f"{path}: got {medium!r}, which is read-only on this chip; allowed behind "
                    f"{BUFFERS}: a medium that is written ({', '.join(writable_media())}), or any "
                    f"with storage.{family}.writable: true"
                )
    for medium in resting:
        if medium not in known_media():
            faults.append(f"{path}: got {medium!r}; allowed: {', '.join(known_media())}")
        elif storage is not None and storage_family(medium) not in storage:
            faults.append(
                f"{path}: {medium} needs storage.{storage_family(medium)}, which this chip lacks"
            )
    families = [storage_family(medium) for medium in resting]
    if len(set(families)) < len(families):
        faults.append(f"{path}: got {list(media)}; each storage may be named once")
    return faults


def readable_parts(values: Mapping[str, Any]) -> ChipParts:
    """The parts of a raw chip file, or as many of them as can be read."""
    pu = _section(values, "pu")
    buffers = _section(values, "buffers")
    size = pu.get("vector_size")
    tile_buffers = pu.get("operand_tile_buffers")
    storage = values.get("storage")
    return ChipParts(
        vector_size=size if type(size) is int and size > 0 else None,
        data_bytes=_sizes(buffers, "data"),
        mask_bytes=_sizes(buffers, "mask"),
        storage=list(storage) if isinstance(storage, Mapping) else None,
        writable={
            name: part["writable"]
            for name, part in (storage.items() if isinstance(storage, Mapping) else ())
            if isinstance(part, Mapping) and isinstance(part.get("writable"), bool)
        },
        placement={
            name: media
            for name, media in _section(values, "placement").items()
            if name in TENSOR_CLASSES
            and isinstance(media, list)
            and media
            and all(isinstance(medium, str) for medium in media)
        },
        schedule=str(pu.get("schedule")),
        operand_tile_buffers=tile_buffers if type(tile_buffers) is int else None,
    )


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name)
    return section if isinstance(section, Mapping) else {}


def _sizes(buffers: Mapping[str, Any], key: str) -> dict[str, int]:
    sizes = {}
    for name in OPERAND_MEMORIES:
        try:
            sizes[name] = parse_bytes(_section(buffers, name).get(key))
        except InputError:
            continue
    return sizes
