"""Dataclasses from JSON values, every field checked against its declared type."""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from edgesim.errors import InputError
from edgesim.ir.interval import Interval
from edgesim.ir.size import Size

MAX_FAULTS_SHOWN = 6


@cache
def _hints(cls: Hashable) -> dict[str, Any]:
    return get_type_hints(cls)


class _MismatchError(Exception):
    """A value that does not have its declared type."""


def shown_faults(faults: list[str]) -> str:
    """The first faults in one line, and how many more there are."""
    rest = len(faults) - MAX_FAULTS_SHOWN
    more = f"; and {rest} more" if rest > 0 else ""
    return "; ".join(faults[:MAX_FAULTS_SHOWN]) + more


def read_fields(
    cls: type[Any], record: Mapping[str, Any], where: str, faults: list[str]
) -> dict[str, Any]:
    """Values of a dataclass's fields from a JSON object; faults are appended, not raised.

    `where` opens every fault, such as `sentences[3].`.
    """
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable
    values: dict[str, Any] = {}
    for entry in fields(cls):
        name = f"{where}{entry.name}"
        if entry.name not in record:
            if entry.default is MISSING and entry.default_factory is MISSING:
                faults.append(f"{name}: missing")
            continue
        try:
            values[entry.name] = _read(record[entry.name], hints[entry.name], name, faults)
        except _MismatchError as error:
            faults.append(f"{name}: {error}")
    return values


def kind_of_json(value: object) -> str:
    """What a JSON value is, in words."""
    names = {type(None): "null", bool: "true or false", list: "a list", dict: "an object"}
    return names.get(type(value)) or repr(value)[:40]


def _read(value: Any, hint: Any, where: str, faults: list[str]) -> Any:
    """A JSON value as the declared type."""
    if hint is Any:
        return value
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        (hint,) = (member for member in get_args(hint) if member is not types.NoneType)
    origin = get_origin(hint)
    if origin is tuple:
        item = get_args(hint)[0]
        rows = _checked(value, list, "a list")
        return tuple(_read(v, item, f"{where}[{i}]", faults) for i, v in enumerate(rows))
    if origin is Mapping:
        item = get_args(hint)[1]
        entries = _checked(value, dict, "an object")
        return {k: _read(v, item, f"{where}.{k}", faults) for k, v in entries.items()}
    if hint is Size:
        return _size(value)
    if is_dataclass(hint) and isinstance(hint, type):
        return _nested(hint, _checked(value, dict, "an object"), where, faults)
    return _scalar(value, hint)


def _size(value: Any) -> Size:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _MismatchError(f"holds {kind_of_json(value)}; a size is wanted")
    try:
        return Size.from_json(value)
    except InputError as error:
        raise _MismatchError(str(error)) from None


def _nested(hint: type[Any], value: Mapping[str, Any], where: str, faults: list[str]) -> Any:
    before = len(faults)
    members = read_fields(hint, value, f"{where}.", faults)
    if len(faults) > before:
        return None
    if hint is Interval and not members["low"] <= members["value"] <= members["high"]:
        raise _MismatchError("low ≤ value ≤ high does not hold")
    return hint(**members)


def _scalar(value: Any, hint: Any) -> Any:
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _MismatchError(f"holds {kind_of_json(value)}; a number is wanted")
        try:
            return float(value)
        except OverflowError:
            raise _MismatchError("holds a number beyond all floats") from None
    if isinstance(value, bool) != (hint is bool) or not isinstance(value, hint):
        words = {int: "a whole number", str: "text", bool: "true or false"}
        wanted = words.get(hint, hint.__name__)
        raise _MismatchError(f"holds {kind_of_json(value)}; {wanted} is wanted")
    return value


def _checked(value: Any, wanted: type[Any], words: str) -> Any:
    if not isinstance(value, wanted):
        raise _MismatchError(f"holds {kind_of_json(value)}; {words} is wanted")
    return value
