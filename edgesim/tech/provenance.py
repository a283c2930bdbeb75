"""What a result must say about the entries that it rests on."""

from __future__ import annotations

from collections.abc import Iterable

from edgesim.ir.result import SourceUse
from edgesim.tech.technology import Technology


def source_uses(technology: Technology, entry_ids: Iterable[str]) -> tuple[SourceUse, ...]:
    """One row per entry that was used, by id."""
    entries = [technology.entry(entry_id) for entry_id in sorted(set(entry_ids))]
    return tuple(SourceUse(e.id, e.value, e.low, e.high, e.unit, e.kind, e.source) for e in entries)


def lines_of_kind(technology: Technology, entry_ids: Iterable[str], kind: str) -> tuple[str, ...]:
    """A line per used entry of one kind: id, value, range, unit and conditions."""
    entries = [technology.entry(entry_id) for entry_id in sorted(set(entry_ids))]
    return tuple(
        f"{e.id} = {e.value:g} [{e.low:g}, {e.high:g}] {e.unit}: {e.conditions}"
        for e in entries
        if e.kind == kind and e.value is not None
    )
