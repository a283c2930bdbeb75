"""Space files: YAML with the line of every part, and all faults of form at once."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.placed_yaml import Place, read_placed

KEYS = ("name", "model", "chip", "settings", "axes", "constraints", "sentences", "search")


def read_space(path: Path) -> tuple[dict[str, Any], dict[Place, str]]:
    """Values of a space file and the `file:line` of each part; InputError with every fault."""
    if not path.exists():
        raise InputError(f"{path}: no such space file")
    what = f"a space file is a mapping with {', '.join(KEYS)}"
    values, places = read_placed(path, what, InputError)
    faults = []
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            faults.append(
                f"{places[(key,)]}: unknown key {key!r}; {hint}allowed: {', '.join(KEYS)}"
            )
    if values.get("axes") is None:
        place = places.get(("axes",), f"{path}:1")
        faults.append(f"{place}: axes is missing: the paths to vary, each with its values")
    if faults:
        raise InputError("\n".join(faults))
    return {key: value for key, value in values.items() if value is not None}, places
