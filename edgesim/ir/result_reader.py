"""Reads a SimResult back from JSON, checking every field against its declared type."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from edgesim.errors import InputError
from edgesim.ir.interval import Interval
from edgesim.ir.result import SCHEMA_VERSION, SimResult

MAX_FAULTS_SHOWN = 6


class _MismatchError(Exception):
    """A value that does not have its declared type."""


def read_result(path: Path) -> SimResult:
    """The result in a file that `SimResult.save` wrote.

    Raises InputError, in one line, for a file that is missing, no JSON, of another schema, or
    whose fields are missing or of another type; all such fields are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InputError(f"{path}: no readable result file ({reason})") from None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not JSON, perhaps truncated ({error}); write the result anew"
        ) from None
    return result_from_json(record, str(path))


def result_from_json(record: object, where: str = "result") -> SimResult:
    """The result that `SimResult.to_json` turned into `record`; `where` opens error messages.

    Derived keys, such as percentiles, are not read: they follow from the sentences.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"{where}: holds {_kind(record)}; the JSON object of a result is wanted")
    version = record.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{where}: result schema {version!r}, this edgesim reads {SCHEMA_VERSION}; "
            "write the result anew"
        )
    intervals = record.get("intervals")
    merged = {**record, **(intervals if isinstance(intervals, Mapping) else {})}
    faults: list[str] = []
    values = _fields_of(SimResult, merged, "", faults)
    if not faults and not values["sentences"]:
        faults.append("sentences: empty; at least one sentence is wanted")
    if faults:
        shown = "; ".join(faults[:MAX_FAULTS_SHOWN])
        rest = len(faults) - MAX_FAULTS_SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        raise InputError(f"{where}: {shown}{more}; write the result anew")
    return SimResult(**values)


def _fields_of(
    cls: type[Any], record: Mapping[str, Any], where: str, faults: list[str]
) -> dict[str, Any]:
    """Values of a dataclass's fields from a JSON object; faults are appended, not raised."""
    hints = get_type_hints(cls)
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
    if is_dataclass(hint) and isinstance(hint, type):
        return _nested(hint, _checked(value, dict, "an object"), where, faults)
    return _scalar(value, hint)


def _nested(hint: type[Any], value: Mapping[str, Any], where: str, faults: list[str]) -> Any:
    before = len(faults)
    members = _fields_of(hint, value, f"{where}.", faults)
    if len(faults) > before:
        return None
    if hint is Interval and not members["low"] <= members["value"] <= members["high"]:
        raise _MismatchError("low ≤ value ≤ high does not hold")
    return hint(**members)


def _scalar(value: Any, hint: Any) -> Any:
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _MismatchError(f"holds {_kind(value)}; a number is wanted")
        return float(value)
    if isinstance(value, bool) != (hint is bool) or not isinstance(value, hint):
        words = {int: "a whole number", str: "text", bool: "true or false"}
        wanted = words.get(hint, hint.__name__)
        raise _MismatchError(f"holds {_kind(value)}; {wanted} is wanted")
    return value


def _checked(value: Any, wanted: type[Any], words: str) -> Any:
    if not isinstance(value, wanted):
        raise _MismatchError(f"holds {_kind(value)}; {words} is wanted")
    return value


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "true or false", list: "a list", dict: "an object"}
    return names.get(type(value), repr(value)[:40])
