"""Space files: YAML with the line of every part, and all faults of form at once."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from edgesim.errors import InputError

KEYS = ("name", "model", "chip", "settings", "axes", "constraints", "sentences", "search")


def read_space(path: Path) -> tuple[dict[str, Any], dict[tuple[str | int, ...], str]]:
    """Values of a space file and the `file:line` of each part; InputError with every fault."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such space file") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{path}:1: a space file is a mapping with {', '.join(KEYS)}")
    places: dict[tuple[str | int, ...], str] = {}
    faults: list[str] = []
    values = _plain(node, (), path, places, faults)
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            faults.append(
                f"{places[(key,)]}: unknown key {key!r}; {hint}allowed: {', '.join(KEYS)}"
            )
    if "axes" not in values:
        faults.append(f"{path}:1: axes is missing: the paths to vary, each with its values")
    if faults:
        raise InputError("\n".join(faults))
    return {key: value for key, value in values.items() if value is not None}, places


def _plain(
    node: yaml.Node, at: tuple[str | int, ...], path: Path,
    places: dict[tuple[str | int, ...], str], faults: list[str],
) -> Any:  # fmt: skip
    """Values of a node; notes `file:line` of every part."""
    if at:
        places.setdefault(at, f"{path}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        result = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            place = f"{path}:{key_node.start_mark.line + 1}"
            if key in result:
                faults.append(f"{place}: {'.'.join(map(str, (*at, key)))} is given twice; keep one")
            places[(*at, key)] = place
            result[key] = _plain(value_node, (*at, key), path, places, faults)
        return result
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return [_plain(item, (*at, i), path, places, faults) for i, item in items]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        faults.append(f"{path}:{node.start_mark.line + 1}: got {node.value!r}; a plain value")
        return None
