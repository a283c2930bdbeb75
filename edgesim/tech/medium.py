"""A storage medium as the tables declare it: its class, names, writability, levels of a cell.

The class says how a medium is timed and priced, and so which figures its block must hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FIGURES: Mapping[str, tuple[str, ...]] = {
    "sram": ("read_latency_ns", "leakage_power_mw_per_kib", "macro_area_mm2_per_mib"),
    "dram": (
        "access_latency_ns", "peak_bandwidth_gb_per_s", "page_bytes", "read_energy_pj_per_bit",
        "write_energy_pj_per_bit", "activate_energy_pj", "background_power_mw", "refresh_power_mw",
        "device_capacity_mib", "cold_start_us", "cold_start_power_mw", "self_refresh_exit_ns",
        "self_refresh_power_mw",
    ),
    "non-volatile": (
        "read_latency_ns", "read_energy_pj_per_bit", "write_latency_ns", "write_energy_pj_per_bit",
        "standby_power_mw_per_mib", "area_mm2_per_mib", "endurance_writes", "wake_up_us",
    ),
}  # fmt: skip
"""Entries `<medium>.<figure>` of every class."""
CURVES: Mapping[str, tuple[str, ...]] = {
    "sram": ("read_energy_pj_per_bit", "write_energy_pj_per_bit"),
}
"""Figures that follow the capacity: points `<medium>.macro_<bytes>_bytes.<figure>`."""
WORDS = ("label", "storage", "storage_label")
ALLOWED = ("class", "writable", "levels", *WORDS)
MOST_LEVELS = 256


@dataclass(frozen=True)
class Medium:
    """A memory that weights, embeddings or spilled activations rest in."""

    name: str
    """Prefix of its entries; the word of `placement`."""
    medium_class: str
    """`sram`, `dram` or `non-volatile`."""
    label: str
    """Name in tables and pictures."""
    storage: str
    """Key under `storage` of a chip: media of one macro share it, as all ReRAM cells do."""
    storage_label: str
    """Name of the macro in tables and pictures."""
    writable: bool
    """Whether it is written unless the chip says otherwise."""
    levels: int = 2
    """Levels of one cell."""

    @property
    def is_sram(self) -> bool:
        """On the supply of the logic; energy follows the capacity; words are written as read."""
        return self.medium_class == "sram"

    @property
    def is_dram(self) -> bool:
        """Opens pages, refreshes, has a rate of its own; words are written as read."""
        return self.medium_class == "dram"

    @property
    def is_non_volatile(self) -> bool:
        """Keeps data without power; every word is written by a pulse and wears its cells."""
        return self.medium_class == "non-volatile"


def medium_faults(name: str, record: Mapping[str, Any]) -> list[str]:
    """What is wrong with the declaration of a medium; empty when it is sound."""
    faults = [
        f"{name}: unknown key {key!r}; allowed: {', '.join(ALLOWED)}"
        for key in record
        if key not in ALLOWED
    ]
    if record["class"] not in FIGURES:
        faults.append(f"{name}.class: got {record['class']!r}; allowed: {', '.join(FIGURES)}")
    if not name.isidentifier():
        faults.append(f"{name}: a medium's name is a word without dots")
    if "label" not in record or not isinstance(record.get("writable"), bool):
        faults.append(f"{name}: label (text) and writable (true or false) are wanted")
    for key in WORDS:
        word = record.get(key, name)
        if not isinstance(word, str) or not word.strip():
            faults.append(f"{name}.{key}: got {word!r}; text is wanted")
    levels = record.get("levels", 2)
    if type(levels) is not int or not 2 <= levels <= MOST_LEVELS or levels & (levels - 1):
        faults.append(f"{name}.levels: got {levels!r}; a power of two from 2 to {MOST_LEVELS}")
    return faults


def make_medium(name: str, record: Mapping[str, Any]) -> Medium:
    """The medium of a checked declaration."""
    label = record["label"]
    return Medium(
        name, record["class"], label, record.get("storage", name),
        record.get("storage_label", label), record["writable"], record.get("levels", 2),
    )  # fmt: skip


def figure_faults(media: Mapping[str, Medium], entry_ids: Collection[str]) -> Iterator[str]:
    """What the entries of declared media lack, and what media of one macro disagree about."""
    ids = set(entry_ids)
    first_of: dict[str, Medium] = {}
    for name, medium in media.items():
        wanted = FIGURES[medium.medium_class]
        missing = [figure for figure in wanted if f"{name}.{figure}" not in ids]
        for curve in CURVES.get(medium.medium_class, ()):
            start, end = f"{name}.macro_", f"_bytes.{curve}"
            if not any(i.startswith(start) and i.endswith(end) for i in ids):
                missing.append(f"macro_<bytes>{end}")
        if missing:
            yield f"{name}: a medium of class {medium.medium_class} lacks {', '.join(missing)}"
        level_ids = [f"{name}.level_{level}_mean_fraction" for level in range(MOST_LEVELS)]
        known = [level for level, level_id in enumerate(level_ids) if level_id in ids]
        if known and known != list(range(medium.levels)):
            yield f"{name}.levels: got {medium.levels}; the tables hold levels {known}"
        twin = first_of.setdefault(medium.storage, medium)
        if (twin.medium_class, twin.storage_label) != (medium.medium_class, medium.storage_label):
            yield f"{name}: class and storage_label differ from those of {twin.name} in one storage"
