"""One technology entry and the schema that every table is checked against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgesim.ir.interval import Interval

KINDS = ("measured", "published", "scaled", "assumed", "fitted")
REQUIRED = ("value", "low", "high", "unit", "source", "conditions", "kind")
ALLOWED = (*REQUIRED, "note")


@dataclass(frozen=True)
class Entry:
    """A figure with its range and origin. Unknown figures are None and mean "not modelled"."""

    id: str
    """Dotted name; its end spells the unit, such as `lpddr4.read_energy_pj_per_bit`."""
    value: float | None
    low: float | None
    high: float | None
    unit: str
    kind: str
    """One of KINDS: `measured` includes published tools executed for this project."""
    source: str
    conditions: str
    """Node, voltage, derivation, and what the range rests on."""
    note: str = ""

    @cached_property
    def interval(self) -> Interval | None:
        """Value and range, or None where the figure is unknown."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return Interval(self.value, self.low, self.high)


def unit_suffix(unit: str) -> str:
    """How an id of this unit ends: `pJ/bit` gives `pj_per_bit`."""
    return unit.lower().replace("/", "_per_")


def entry_faults(entry_id: str, record: Any) -> list[str]:
    """What is wrong with one raw table entry; empty when it is sound."""
    if not isinstance(record, dict):
        return [f"{entry_id}: got {record!r}; a mapping with {', '.join(REQUIRED)} is wanted"]
    faults = [f"{entry_id}: {key} is missing" for key in REQUIRED if key not in record]
    faults += [
        f"{entry_id}: unknown key {key!r}; allowed: {', '.join(ALLOWED)}"
        for key in record
        if key not in ALLOWED
    ]
    if faults:
        return faults
    for key in ("unit", "source", "conditions"):
        if not isinstance(record[key], str) or not record[key].strip():
            faults.append(f"{entry_id}.{key}: got {record[key]!r}; text is wanted")
    if record["kind"] not in KINDS:
        faults.append(f"{entry_id}.kind: got {record['kind']!r}; allowed: {', '.join(KINDS)}")
    if isinstance(record["unit"], str) and not entry_id.endswith(unit_suffix(record["unit"])):
        faults.append(
            f"{entry_id}: the id must end with its unit {record['unit']!r}, spelled "
            f"{unit_suffix(record['unit'])!r}"
        )
    return faults + _number_faults(entry_id, record)


def _number_faults(entry_id: str, record: dict[str, Any]) -> list[str]:
    numbers = [record[key] for key in ("value", "low", "high")]
    if all(number is None for number in numbers):
        return []
    for key in ("value", "low", "high"):
        number = record[key]
        if isinstance(number, bool) or not isinstance(number, int | float):
            return [f"{entry_id}.{key}: got {number!r}; a number, or null for all three, is wanted"]
        if not math.isfinite(number) or number < 0:
            return [f"{entry_id}.{key}: got {number!r}; a finite number of at least 0 is wanted"]
    value, low, high = numbers
    if not low <= value <= high:
        return [f"{entry_id}: {low} ≤ {value} ≤ {high} does not hold for low ≤ value ≤ high"]
    return []


def make_entry(entry_id: str, record: dict[str, Any]) -> Entry:
    """The entry of a checked record."""
    value, low, high = (
        None if record[key] is None else float(record[key]) for key in ("value", "low", "high")
    )
    return Entry(
        id=entry_id, value=value, low=low, high=high, unit=record["unit"], kind=record["kind"],
        source=record["source"], conditions=record["conditions"], note=record.get("note", ""),
    )  # fmt: skip
