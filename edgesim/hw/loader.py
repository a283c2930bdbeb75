"""Chip files: YAML with `extends`, dotted overrides, and every fault with file and line at once."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from edgesim.errors import ChipError
from edgesim.hw.consistency import consistency_faults, readable_parts
from edgesim.hw.spec import CHIP_KINDS, AcceleratorSpec, Chip
from edgesim.paths import data_folder, data_names, data_path

_Path = tuple[str | int, ...]
_DEEPEST = 12


@dataclass
class _Source:
    """Plain values of a chip description and where each of them was written."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[_Path, str] = field(default_factory=dict)


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
    """A chip file that is read once and gives many chips; raises what `load_chip` raises."""

    def __init__(self, name: str | Path) -> None:
        self.path = _chip_path(name)
        self._source = _read(self.path, ())

    def chip(self, overrides: Mapping[str, Any]) -> Chip:
        """The chip with overrides by dotted path applied."""
        source, faults = self._overridden(overrides)
        if faults:
            raise ChipError("\n".join(faults))
        return _validate(source, self.path)

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
            located = [fault for fault in error.errors() if fault["loc"]]
            lines = [ln for one in located for ln in _fault(one, source, model, self.path)]
            return [line for line in dict.fromkeys(lines) if line.startswith("override ")]
        return []

    def _overridden(self, overrides: Mapping[str, Any]) -> tuple[_Source, list[str]]:
        source = _Source(deepcopy(self._source.values), dict(self._source.places))
        found = [_override(source, dotted, value) for dotted, value in overrides.items()]
        return source, [fault for fault in found if fault]


def _chip_path(name: str | Path) -> Path:
    """File of a chip by path or shipped name."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise ChipError(f"{path}: no such chip file")
        return path
    return data_path("hwconfigs", str(name))


def _read(path: Path, seen: Sequence[Path]) -> _Source:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise ChipError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ChipError(f"{path}:1: a chip file is a mapping with name, kind, clock, …")
    own = _Source()
    faults: list[str] = []
    own.values = _plain(node, (), own, path, faults)
    if faults:
        raise ChipError("\n".join(faults))
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


def _plain(node: yaml.Node, at: _Path, source: _Source, path: Path, faults: list[str]) -> Any:
    """Values of a YAML node; notes `file:line` of every key, and faults that YAML lets pass."""
    place = f"{path}:{node.start_mark.line + 1}"
    if len(at) > _DEEPEST:
        faults.append(f"{place}: nested deeper than {_DEEPEST} sections; a chip file is flat")
        return None
    if isinstance(node, yaml.MappingNode):
        result = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            place = f"{path}:{key_node.start_mark.line + 1}"
            if key in result:
                faults.append(f"{place}: {'.'.join(map(str, (*at, key)))} is given twice; keep one")
            source.places[(*at, key)] = place
            result[key] = _plain(value_node, (*at, key), source, path, faults)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*at, i), source, path, faults) for i, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        dotted = ".".join(map(str, at))
        faults.append(f"{place}: {dotted}: got {node.value!r}; a number, text or true/false")
        return None


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
            return f"override {dotted}: no {part!r} in {within}; {_close(part, list(known))}"
        keys.append(key)
        if position == len(parts) - 1:
            target[key] = list(value) if isinstance(value, tuple) else value
            source.places[tuple(keys)] = f"override {dotted}"
            break
        if not isinstance(target.get(key, {}), dict):
            return f"override {dotted}: {part} holds a value, no section"
        if key not in target:
            source.places[tuple(keys)] = f"override {dotted}"
        target = target.setdefault(key, {})
        model = _field_type(model, part)
    return None


def _keys(model: Any, target: Mapping[str, Any]) -> dict[str, str]:
    """Accepted names to file keys at one level."""
    names = {key: key for key in target}
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            names[name] = names[info.alias or name] = info.alias or name
    elif typing.get_origin(model) in (dict, Mapping):
        names |= {key: key for key in typing.get_args(typing.get_args(model)[0])}
    return names


def _field_type(model: Any, part: str) -> Any:
    """The section type below a field, looking through dict and optional types."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                return info.annotation
        return None
    if typing.get_origin(model) in (dict, Mapping):
        return typing.get_args(model)[1]
    if isinstance(model, types.UnionType):
        return next((t for t in typing.get_args(model) if t is not type(None)), None)
    return None


def _close(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(sorted(known))}"


def _validate(source: _Source, path: Path) -> Chip:
    kind = source.values.get("kind")
    model = CHIP_KINDS.get(str(kind))
    if model is None:
        place = source.places.get(("kind",), f"{path}:1")
        raise ChipError(f"{place}: kind: got {kind!r}; allowed: {', '.join(CHIP_KINDS)}")
    try:
        return model.model_validate(source.values)
    except ValidationError as error:
        lines = [line for fault in error.errors() for line in _fault(fault, source, model, path)]
        if model is AcceleratorSpec:
            between = consistency_faults(readable_parts(source.values))
            lines += [_model_fault(line, source, path) for line in between]
        raise ChipError("\n".join(dict.fromkeys(lines))) from None


def _fault(fault: Any, source: _Source, model: type[BaseModel], path: Path) -> list[str]:
    """Lines of one pydantic fault: place, dotted path, what was given and what is allowed."""
    location = tuple(part for part in fault["loc"] if part != "[key]")
    place = next(
        (
            source.places[location[:length]]
            for length in range(len(location), 0, -1)
            if location[:length] in source.places
        ),
        f"{path}:1",
    )
    dotted = ".".join(str(part) for part in location)
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        section: Any = model
        for part in location[:-1]:
            section = _field_type(section, str(part))
        message = f"unknown key; {_close(str(location[-1]), list(_keys(section, {}).values()))}"
    elif fault["type"] == "missing":
        message = "is missing"
    elif fault["type"] not in ("value_error",):
        message = f"got {fault['input']!r}; {message}"
    if not location:
        return [_model_fault(line, source, path) for line in message.splitlines()]
    return [f"{place}: {dotted}: {message}"]


def _model_fault(line: str, source: _Source, path: Path) -> str:
    """Place a fault that a whole-chip check reports as `dotted: message`."""
    dotted = tuple(line.split(":", 1)[0].split("."))
    place = next(
        (
            source.places[dotted[:length]]
            for length in range(len(dotted), 0, -1)
            if dotted[:length] in source.places
        ),
        f"{path}:1",
    )
    return f"{place}: {line}"
