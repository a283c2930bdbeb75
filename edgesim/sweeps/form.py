"""The form of a space's parts, before anything looks into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgesim.sweeps.space import Space

_EMPTY = "the space is empty; name at least one path to vary, such as pu.vector_size: [8, 16, 32]"
_FORMS: Mapping[str, tuple[tuple[type, ...], str, Any]] = {
    "axes": ((Mapping,), "a mapping of paths to the values that they take", {}),
    "settings": ((Mapping,), "a mapping of paths to one value each", {}),
    "constraints": ((str, Sequence), 'a list of texts such as "area_mm2 <= 2"', ()),
    "chip": ((str, Path), "a chip's name or file, as text", "edgebert-n16"),
    "model": ((str, Path, type(None)), "a model's name or folder, as text", None),
    "name": ((str,), "text", "space"),
}
"""Allowed types, what they are called, and what stands in for anything else."""


def well_formed(space: Space) -> tuple[Space, list[str]]:
    """The space with its parts in their form, and the faults of those that were not."""
    faults = []
    mended: dict[str, Any] = {}
    for part, (types, words, stand_in) in _FORMS.items():
        given = getattr(space, part)
        if not isinstance(given, types):
            faults.append(f"{space.place(part)}: {part}: got {given!r}; write {words}")
            mended[part] = stand_in
    if "axes" not in mended and not space.axes:
        faults.append(f"{space.place('axes')}: axes: {_EMPTY}")
    odd = [name for name in mended.get("axes", space.axes) if not isinstance(name, str)]
    faults += [f"{space.place('axes')}: axes: got the name {name!r}; write text" for name in odd]
    if odd:
        mended["axes"] = {name: v for name, v in space.axes.items() if isinstance(name, str)}
    return replace(space, **mended), faults
