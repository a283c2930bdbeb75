"""Which points of a space are visited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

from edgesim.errors import InputError
from edgesim.sweeps.constraint import known_column

METHODS = ("grid", "random", "sobol", "nsga2")
LIBRARIES = {"sobol": ("scipy", "random"), "nsga2": ("optuna", "random")}
"""What a method needs beyond edgesim itself, and a method that needs nothing."""


@dataclass(frozen=True)
class Search:
    """A method with its settings."""

    method: str = "grid"
    points: int | None = None
    """Points to draw; a grid visits all."""
    seed: int = 0
    population: int = 32
    """Points of a generation of `nsga2`."""
    minimize: tuple[str, ...] = ()
    """Objectives of `nsga2`."""
    maximize: tuple[str, ...] = ()


def parse_search(given: object) -> tuple[Search, list[str]]:
    """The search and every fault of its description."""
    record: Mapping[str, Any] = {"method": given} if isinstance(given, str) else {}
    if isinstance(given, Mapping):
        record = given
    elif not record:
        return Search(), [f"got {given!r}; a method ({', '.join(METHODS)}) or a mapping with it"]
    known = [entry.name for entry in fields(Search)]
    faults = [
        f"unknown key {key!r}; allowed: {', '.join(known)}" for key in record if key not in known
    ]
    method = record.get("method", "grid")
    if method not in METHODS:
        faults.append(f"method: got {method!r}; allowed: {', '.join(METHODS)}")
    for key, lowest in (("points", 1), ("seed", 0), ("population", 4)):
        value = record.get(key)
        if value is not None and (type(value) is not int or value < lowest):
            faults.append(f"{key}: got {value!r}; a whole number of at least {lowest}")
    names = {key: record.get(key) or () for key in ("minimize", "maximize")}
    for key, value in names.items():
        if isinstance(value, str) or not all(isinstance(name, str) for name in value):
            faults.append(f"{key}: got {value!r}; a list of figures")
            names[key] = ()
    faults += _objective_faults(names)
    if method != "grid" and record.get("points") is None:
        faults.append(f"points is missing: how many {method} visits")
    if method == "nsga2" and not any(names.values()):
        faults.append("nsga2 needs minimize or maximize, the figures to improve")
    library, other = LIBRARIES.get(str(method), ("", ""))
    if library and find_spec(library) is None:
        faults.append(f"{method} needs {library}; pip install 'edgesim[sweep]', or use {other}")
    if faults:
        return Search(), faults
    return Search(**{**record, **{key: tuple(value) for key, value in names.items()}}), []


def _objective_faults(names: Mapping[str, Any]) -> list[str]:
    faults = []
    for key, values in names.items():
        for name in values:
            try:
                known_column(name)
            except InputError as error:
                faults.append(f"{key}: {error}")
    return faults
