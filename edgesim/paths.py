"""Where the shipped models and chips lie: in the wheel, or at the root of an editable install."""

from __future__ import annotations

import difflib
from pathlib import Path

from edgesim.errors import InputError

KINDS = ("models", "hwconfigs")
_PACKAGE = Path(__file__).resolve().parent
_SHARED = "shared"


def data_folder(kind: str) -> Path:
    """Folder of the shipped `models` or `hwconfigs`; InputError when the install lacks it."""
    if kind not in KINDS:
        raise InputError(f"shipped data {kind!r}: allowed are {', '.join(KINDS)}")
    for folder in (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind):
        if folder.is_dir():
            return folder
    raise InputError(
        f"this installation of edgesim has no folder {kind!r} beside {_PACKAGE}; reinstall it"
    )


def data_names(kind: str) -> tuple[str, ...]:
    """Names of the shipped models (folders) or chips (YAML files), sorted."""
    folder = data_folder(kind)
    if kind == "models":
        return tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name != _SHARED))
    return tuple(sorted(p.stem for p in folder.glob("*.yaml")))


def data_path(kind: str, name: str) -> Path:
    """Path of one shipped model folder or chip file.

    Raises InputError with the known names and the nearest one when there is none of that name.
    """
    names = data_names(kind)
    if name in names:
        return data_folder(kind) / (name if kind == "models" else f"{name}.yaml")
    noun = "model" if kind == "models" else "chip"
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(names) or "none"
    raise InputError(f"no shipped {noun} named {name!r}{hint} (known: {known})")


def zoo_path(name: str) -> Path:
    """Folder of a shipped model; InputError with the nearest name when there is none."""
    return data_path("models", name)
