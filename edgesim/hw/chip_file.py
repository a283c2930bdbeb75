"""A chip as the content of a chip file that stands alone, with the file's keys and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from edgesim.hw.spec import Chip
from edgesim.units import quantity_text

_DIMENSIONS = {"hz": "hertz", "v": "volts", "bytes": "bytes", "bits": "bits"}
"""Dimension by the last part of the name of a field that a file gives with its unit."""


def chip_file_content(chip: Chip) -> dict[str, Any]:
    """Plain values that, written as YAML, load as an equal chip; absent sections are left out."""
    return _section(chip)


def _section(section: BaseModel) -> dict[str, Any]:
    content = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if value is None:
            continue
        if field.alias is None:
            content[name] = _plain(value)
        else:  # the file's key lacks the unit, so its value states one
            content[field.alias] = quantity_text(value, _DIMENSIONS[name.rpartition("_")[2]])
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _section(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
