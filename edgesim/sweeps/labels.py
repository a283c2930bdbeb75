"""What a point is called: the choices that tell it from the others, such as "n=16, MLC2"."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgesim.ir.quantity import quantity_text
from edgesim.sweeps.options import option_value
from edgesim.tech import known_media

ABSENT = {
    "exit_threshold": "full depth", "exit_layer": "no fixed layer", "pad_to": "own S",
    "strategy": "default strategy", "latency_target_s": "no target",
    "latency_target_fraction": "no target", "arithmetic": "arithmetic of the workload",
}  # fmt: skip
"""What a run option that is not set is called."""
SAID = {
    "exit_threshold": "exit ", "exit_layer": "layer ", "pad_to": "S=", "strategy": "",
    "latency_target_s": "target ", "latency_target_fraction": "target ", "arithmetic": "in ",
}  # fmt: skip
MEANT = {"latency_target_fraction": " of full time"}


def varying_paths(
    choices: Sequence[Mapping[str, Any]], axis_of: Mapping[str, str]
) -> tuple[str, ...]:
    """Paths that differ among points, in order, without those that follow from an earlier one.

    A path follows only from paths of its own axis, which `axis_of` names for paths that share one:
    where every point has a capacity of its own, its voltage follows from nothing.
    """
    paths = dict.fromkeys(path for choice in choices for path in choice)
    columns = {path: [value_text(choice.get(path)) for choice in choices] for path in paths}
    kept: list[str] = []
    for path, column in columns.items():
        axis = axis_of.get(path, path)
        beside = [other for other in kept if axis_of.get(other, other) == axis]
        told = any(_determines(columns[other], column) for other in beside)
        if len(set(column)) > 1 and not told:
            kept.append(path)
    return tuple(kept)


def point_labels(choices: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> list[str]:
    """One label per point, of its varying paths; points that differ in nothing share one."""
    return [
        ", ".join(_part(path, choice[path], paths) for path in paths if path in choice)
        or "the only point"
        for choice in choices
    ]


def value_text(value: Any) -> str:
    """A value of an axis for a table: lists joined, None as "none"."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(value_text, value))
    if isinstance(value, float):
        return f"{value:g}"
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _determines(known: Sequence[str], other: Sequence[str]) -> bool:
    seen: dict[str, str] = {}
    return all(seen.setdefault(one, two) == two for one, two in zip(known, other, strict=True))


def _part(path: str, value: Any, paths: Sequence[str]) -> str:
    """One choice in words."""
    text = value_text(value)
    room, _, rest = path.partition(".")
    if path == "pu.vector_size":
        return f"n={text}"
    if path == "latency_target_s" and value is not None:
        text = quantity_text(option_value(path, value), "s")
    if path in ABSENT:
        return ABSENT[path] if value is None else f"{SAID[path]}{text}{MEANT.get(path, '')}"
    if room == "placement":
        first = value[0] if isinstance(value, (list, tuple)) and value else value
        known = known_media().get(str(first))
        medium = text if known is None else known.label
        several = sum(other.startswith("placement.") for other in paths) > 1
        return f"{rest.replace('_', ' ')} {medium}" if several else medium
    if room == "storage" and path.endswith("capacity"):
        return f"{_storage_label(rest.split('.')[0])} {text}"
    if room == "buffers" and path.endswith(".data"):
        several = sum(other.startswith("buffers.") for other in paths) > 1
        return f"{rest.split('.')[0]} {text}" if several else text
    if path in ("model", "chip", "precision", "clock.voltage", "clock.frequency"):
        return text
    return f"{path.rsplit('.', 1)[-1].replace('_', ' ')} {text}"


def _storage_label(storage: str) -> str:
    """The name of a macro in tables and pictures."""
    labels = (m.storage_label for m in known_media().values() if m.storage == storage)
    return next(labels, storage)
