"""Technology: entries by id, loaded from the YAML tables of the package."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any, Literal

from edgesim.errors import TechnologyError
from edgesim.ir.interval import Interval
from edgesim.placed_yaml import placed_mapping
from edgesim.tech.entry import Entry, entry_faults, make_entry
from edgesim.tech.medium import Medium, figure_faults, make_medium, medium_faults

Bound = Literal["value", "low", "high"]

_POINT = re.compile(r"^(.+)_(\d+)_bytes\.(.+)$")


@dataclass(frozen=True, eq=False)
class Technology:
    """A set of entries. Every look-up of an unknown id or figure is a TechnologyError."""

    name: str
    entries: Mapping[str, Entry]
    media: Mapping[str, Medium] = field(default_factory=dict)
    """Declared media by name."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self.entries

    def entry(self, entry_id: str) -> Entry:
        """The entry with its origin, also where its value is unknown."""
        found = self.entries.get(entry_id)
        if found is None:
            near = difflib.get_close_matches(entry_id, self.entries, n=3, cutoff=0.4)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise TechnologyError(
                f"technology {self.name!r} has no entry {entry_id!r}{hint}; add one with value, "
                "range, unit, source, conditions and kind to edgesim/tech/tables"
            )
        return found

    def interval(self, entry_id: str) -> Interval:
        """Value and range of an entry; TechnologyError where it is not modelled."""
        entry = self.entry(entry_id)
        if entry.interval is None:
            raise TechnologyError(
                f"{entry_id} is not modelled: {entry.conditions}; choose a design that does not "
                "need it or give the entry a value with its source"
            )
        return entry.interval

    def value(self, entry_id: str, bound: Bound = "value") -> float:
        """One end of an entry's interval."""
        return float(getattr(self.interval(entry_id), bound))

    def points(self, family: str, quantity: str) -> tuple[tuple[int, Entry], ...]:
        """Points `<family>_<bytes>_bytes.<quantity>` by rising size in bytes."""
        found = self._curves.get((family, quantity))
        if found is None:
            raise TechnologyError(
                f"technology {self.name!r} has no points {family}_<bytes>_bytes.{quantity}"
            )
        return found

    @cached_property
    def _curves(self) -> dict[tuple[str, str], tuple[tuple[int, Entry], ...]]:
        """Points by rising size, by family and quantity."""
        curves: dict[tuple[str, str], list[tuple[int, Entry]]] = {}
        for entry_id, entry in self.entries.items():
            if match := _POINT.match(entry_id):
                curves.setdefault((match[1], match[3]), []).append((int(match[2]), entry))
        return {
            key: tuple(sorted(points, key=lambda point: point[0])) for key, points in curves.items()
        }

    def replaced(self, entry: Entry) -> Technology:
        """A copy in which one entry is exchanged, for what-if studies; its id must exist."""
        self.entry(entry.id)
        entries = {**self.entries, entry.id: entry}
        return replace(self, name=f"{self.name}+{entry.id}", entries=entries)

    def content_hash(self) -> str:
        """SHA-256 of all entries and media."""
        parts = [
            asdict(table[key]) for table in (self.entries, self.media) for key in sorted(table)
        ]
        text = json.dumps(parts)
        return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=4)
def load_technology(name: str = "default") -> Technology:
    """The tables shipped with the package; TechnologyError lists every fault at once."""
    if name != "default":
        raise TechnologyError(f"technology {name!r} is unknown; allowed: default")
    folder = resources.files("edgesim.tech") / "tables"
    texts = {
        item.name: item.read_text(encoding="utf-8")
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
        if item.name.endswith(".yaml")
    }
    return parse_tables(name, texts)


def parse_tables(name: str, texts: Mapping[str, str]) -> Technology:
    """Technology from YAML texts by file name; TechnologyError lists every fault with its line.

    A record with a `class` declares a medium, every other one is an entry.
    """
    entries: dict[str, Entry] = {}
    media: dict[str, Medium] = {}
    places: dict[str, str] = {}
    faults: list[str] = []
    for file_name, text in texts.items():
        for line, key, record in _records(file_name, text, faults):
            is_medium = isinstance(record, dict) and "class" in record
            wrong = medium_faults(key, record) if is_medium else entry_faults(key, record)
            if key in places:
                wrong.append(f"{key}: given twice; ids must be unique over all tables")
            places[key] = f"{file_name}:{line}"
            faults += [f"{places[key]}: {fault}" for fault in wrong]
            if is_medium and not wrong:
                media[key] = make_medium(key, record)
            elif not wrong:
                entries[key] = make_entry(key, record)
    if not faults:
        lacking = figure_faults(media, entries)
        faults = [f"{places[re.split('[.:]', fault)[0]]}: {fault}" for fault in lacking]
    if faults:
        raise TechnologyError("\n".join(faults))
    return Technology(name, entries, media)


def _records(file_name: str, text: str, faults: list[str]) -> Iterator[tuple[int, str, Any]]:
    """Line, id and plain value of every record; faults of form are added to `faults`."""
    try:
        values, places = placed_mapping(
            text, file_name, "a mapping of entries is wanted", TechnologyError
        )
    except TechnologyError as error:
        faults.append(str(error))
        return
    for key, record in values.items():
        yield int(places[(key,)].rpartition(":")[2]), key, record
