"""Chip files: YAML with `extends`, dotted overrides, and every fault with file and line at once."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edgesim.errors import ChipError
from edgesim.hw.consistency import consistency_faults, readable_parts
from edgesim.hw.sections import KnownSections
from edgesim.hw.spec import CHIP_KINDS, AcceleratorSpec, Chip
from edgesim.hw.words import OneOf
from edgesim.paths import data_folder, data_names, data_path
from edgesim.placed_yaml import MOST_SHOWN, Place, read_placed

OVERRIDE = "override "
"""Before the path of an override, as the place of what it set."""


@dataclass
class _Source:
    """Plain values of a chip description and where each of them was written."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Place, str] = field(default_factory=dict)


def chip_names() -> list[str]:
    """Names of the chips that edgesim ships, sorted with n in numeric order."""
    return sorted(
        data_names("hwconfigs"), key=lambda name: (name.rstrip("0123456789"), len(name), name)
    )


def load_chip(name: str | Path, overrides: Mapping[str, Any] | None = None) -> Chip:
    """The chip of a name or a YAML file, with overrides by dotted path applied.

    Raises ChipError with every fault: unknown keys, wrong units, impossible values.
    """
    return ChipTemplate(name).chip(overrides or {})


class ChipTemplate:
    """A chip file that is read once and gives many chips; raises what `load_chip` raises.

    Chips whose overrides within a section are the same share that section.
    """

    def __init__(self, name: str | Path) -> None:
        self.path = _chip_path(name)
        self._source = _read(self.path, ())
        self._sections = KnownSections()

    def chip(self, overrides: Mapping[str, Any]) -> Chip:
        """The chip with overrides by dotted path applied."""
        known = self._sections.chip(overrides)
        if known is not None:
            return known
        source, faults = self._overridden(overrides)
        if faults:
            raise ChipError("\n".join(faults))
        return self._sections.shared(overrides, _validate(source, self.path))

    def content(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The file's values with overrides applied, unchecked: what a faulty chip is known by."""
        return self._overridden(overrides)[0].values

    def override_faults(self, overrides: Mapping[str, Any]) -> list[str]:
        """Faults of the overrides alone: paths that the chip lacks, values that none may have.

        Faults between fields are left out, because another override may mend them.
        """
        source, faults = self._overridden(overrides)
        model = CHIP_KINDS.get(str(source.values.get("kind")))
        if faults or model is None:
            return faults
        try:
            model.model_validate(source.values)
        except ValidationError as error:
            between = ("missing",)
            located = [f for f in _separate(error) if f["loc"] and f["type"] not in between]
            lines = [ln for one in located for ln in _fault(one, source, model, self.path)]
            return [line for line in dict.fromkeys(lines) if line.startswith(OVERRIDE)]
        return []

    def _overridden(self, overrides: Mapping[str, Any]) -> tuple[_Source, list[str]]:
        source = _Source(_copied(self._source.values), dict(self._source.places))
        found = [_override(source, dotted, value) for dotted, value in overrides.items()]
        return source, [fault for fault in found if fault]


def _copied(value: Any) -> Any:
    """Plain values with their sections copied, so that overrides leave the file's alone."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def _chip_path(name: str | Path) -> Path:
    """File of a chip by path or shipped name."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise ChipError(f"{path}: no such chip file")
        return path
    return data_path("hwconfigs", str(name))


def _read(path: Path, seen: Sequence[Path]) -> _Source:
    what = "a chip file is a mapping with name, kind, clock, …"
    values, places = read_placed(path, what, ChipError)
    # An override replaces a list whole, so lines of its items would outlive them.
    own = _Source(values, {at: p for at, p in places.items() if not isinstance(at[-1], int)})
    parent = own.values.pop("extends", None)
    if parent is None:
        return own
    base = _read(_parent_path(str(parent), path, own, seen), (*seen, path.resolve()))
    base.places.update(own.places)
    _merge(base.values, own.values)
    return base


def _parent_path(parent: str, path: Path, own: _Source, seen: Sequence[Path]) -> Path:
    """File of the chip that `path` extends: beside it, else shipped."""
    place = own.places[("extends",)]
    here = path.resolve()
    beside, shipped = (folder / f"{parent}.yaml" for folder in (path.parent, _shipped_folder()))
    base = next((p for p in (beside, shipped) if p.is_file() and p.resolve() != here), None)
    if base is None and beside.is_file():
        raise ChipError(f"{place}: extends: {parent!r} is this file itself; name another chip")
    if base is None:
        raise ChipError(f"{place}: extends: got {parent!r}; {_close(parent, chip_names())}")
    if base.resolve() in seen:
        names = " → ".join(p.stem for p in (*seen, here, base))
        raise ChipError(f"{place}: extends: {names} is a cycle; let one of them stand alone")
    return base


def _shipped_folder() -> Path:
    return data_folder("hwconfigs")


def _merge(base: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _override(source: _Source, dotted: str, value: Any) -> str | None:
    """Set one value by dotted path, by spec names or file keys; returns what is wrong, if any."""
    parts = dotted.split(".")
    model: Any = CHIP_KINDS.get(str(source.values.get("kind")))
    target = source.values
    keys: list[str] = []
    for position, part in enumerate(parts):
        known = _keys(model, target)
        key = known.get(part)
        if key is None:
            within = ".".join(parts[:position]) or "the chip"
            hint = _close(part, list(known))
            if not hint.startswith("did"):
                hint = _near_path(dotted, source) + hint
            return f"{OVERRIDE}{dotted}: no {part!r} in {within}; {hint}"
        keys.append(key)
        if position == len(parts) - 1:
            target[key] = list(value) if isinstance(value, tuple) else value
            source.places[tuple(keys)] = f"{OVERRIDE}{dotted}"
            break
        if not isinstance(target.get(key, {}), dict):
            return f"{OVERRIDE}{dotted}: {part} holds a value, no section"
        if key not in target:
            source.places[tuple(keys)] = f"{OVERRIDE}{dotted}"
        target = target.setdefault(key, {})
        model = _field_type(model, part)
    return None


def _near_path(dotted: str, source: _Source) -> str:
    """A hint at the path of the whole chip that a wrong one comes nearest to, or nothing."""
    model = CHIP_KINDS.get(str(source.values.get("kind")))
    paths = list(_paths(model, source.values, ""))
    last = dotted.rpartition(".")[2]
    named = [path for path in paths if path.rpartition(".")[2] == last]
    near = named or difflib.get_close_matches(dotted, paths, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def _paths(model: Any, target: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Dotted paths of all values and sections of a chip, by file keys."""
    for name, key in _keys(model, target).items():
        if name != key:
            continue
        yield prefix + key
        inner = target.get(key)
        if isinstance(inner, dict):
            yield from _paths(_field_type(model, key), inner, f"{prefix}{key}.")


def _keys(model: Any, target: Mapping[str, Any]) -> dict[str, str]:
    """Accepted names to file keys at one level."""
    names = {key: key for key in target}
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            names[name] = names[info.alias or name] = info.alias or name
    elif typing.get_origin(model) in (dict, Mapping):
        names |= {key: key for key in _words(typing.get_args(model)[0])}
    return names


def _words(key_type: Any) -> tuple[str, ...]:
    """Keys that a mapping may hold: those of a literal, or names that are data."""
    parts = typing.get_args(key_type)
    return next((part.names() for part in parts if isinstance(part, OneOf)), parts)


def _field_type(model: Any, part: str) -> Any:
    """The section type below a field, looking through dict and optional types."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                return _without_none(info.annotation)
        return None
    if typing.get_origin(model) in (dict, Mapping):
        return typing.get_args(model)[1]
    if isinstance(model, types.UnionType):
        return next((t for t in typing.get_args(model) if t is not type(None)), None)
    return None


def _without_none(model: Any) -> Any:
    """The section type of a field that may be absent."""
    if isinstance(model, types.UnionType):
        members = [t for t in typing.get_args(model) if t is not type(None)]
        return members[0] if len(members) == 1 else model
    return model


def _close(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(sorted(set(known)))}"


def _validate(source: _Source, path: Path) -> Chip:
    kind = source.values.get("kind")
    model = CHIP_KINDS.get(str(kind))
    if model is None:
        place = source.places.get(("kind",), f"{path}:1")
        raise ChipError(f"{place}: kind: got {kind!r}; allowed: {', '.join(CHIP_KINDS)}")
    try:
        return model.model_validate(source.values)
    except ValidationError as error:
        lines = [line for fault in _separate(error) for line in _fault(fault, source, model, path)]
        if model is AcceleratorSpec:
            between = consistency_faults(readable_parts(source.values))
            lines += [_model_fault(line, source, path) for line in between]
        raise ChipError("\n".join(dict.fromkeys(lines))) from None


def _fault(fault: Any, source: _Source, model: type[BaseModel], path: Path) -> list[str]:
    """Lines of one pydantic fault: place, dotted path, what was given and what is allowed."""
    location = tuple(part for part in fault["loc"] if part != "[key]")
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        keys = list(_keys(_section(model, location[:-1]), {}).values())
        message = f"unknown key; {_close(str(location[-1]), keys)}"
    elif fault["type"] == "missing":
        message = "is missing"
    elif fault["type"] in ("model_type", "dict_type"):
        keys = list(dict.fromkeys(_keys(_section(model, location), {}).values()))
        message = f"got {_shown(fault['input'])}; a section with {', '.join(keys) or 'values'}"
    elif fault["type"] == "tuple_type":
        message = f"got {_shown(fault['input'])}; a list, such as [{fault['input']}]"
    elif fault["type"] not in ("value_error",):
        message = f"got {_shown(fault['input'])}; {message}"
    if not location:
        return [_model_fault(line, source, path) for line in message.split("\n")]
    return [_placed_line(location, message, source, path)]


def _shown(given: Any) -> str:
    """A wrong value, cut where it is long."""
    text = repr(given)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _section(model: Any, location: Sequence[Any]) -> Any:
    """The type of the section at a place."""
    for part in location:
        model = _field_type(model, str(part))
    return model


def _model_fault(line: str, source: _Source, path: Path) -> str:
    """Place a fault that a whole-chip check reports as `dotted: message`."""
    dotted, _, message = line.partition(": ")
    return _placed_line(tuple(dotted.split(".")), message, source, path)


def _placed_line(location: tuple[Any, ...], message: str, source: _Source, path: Path) -> str:
    """`place: dotted: message`; an override is its own place, so its path is said once."""
    length, place = next(
        (
            (length, source.places[location[:length]])
            for length in range(len(location), 0, -1)
            if location[:length] in source.places
        ),
        (0, f"{path}:1"),
    )
    said = place.removeprefix(OVERRIDE)
    if place != said and said.count(".") + 1 == length:
        inner = "".join(f".{part}" for part in location[length:])
        return f"{place}{inner}: {message}"
    return f"{place}: {'.'.join(map(str, location))}: {message}"


def _separate(error: ValidationError) -> list[Any]:
    """Faults of pydantic, without a list's being short because its items are wrong."""
    found = error.errors()
    inner = {fault["loc"][:length] for fault in found for length in range(len(fault["loc"]))}
    return [fault for fault in found if fault["type"] != "too_short" or fault["loc"] not in inner]
