"""The figures of the YAML files beside this module."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

from edgesim.errors import InputError
from edgesim.placed_yaml import placed_mapping
from edgesim.validation.figure import Figure, figure_faults


def written_figures() -> tuple[Figure, ...]:
    """Every figure of the package's files, in their order; InputError lists all faults."""
    folder = resources.files("edgesim.validation") / "figures"
    files = sorted(folder.iterdir(), key=lambda item: item.name)
    texts = {f.name: f.read_text(encoding="utf-8") for f in files if f.name.endswith(".yaml")}
    return parse_figures(texts)


def parse_figures(texts: dict[str, str]) -> tuple[Figure, ...]:
    """Figures from YAML texts by file name; a file is a mapping of ids to records.

    Records of a file share what its record `common` holds. Raises InputError with every fault and
    its line.
    """
    figures: dict[str, Figure] = {}
    faults: list[str] = []
    for name, text in texts.items():
        for place, figure_id, record in _records(name, text, faults):
            wrong = figure_faults(figure_id, record)
            if figure_id in figures:
                wrong.append(f"{figure_id}: given twice; ids must be unique over all files")
            faults += [f"{place}: {fault}" for fault in wrong]
            if not wrong:
                figures[figure_id] = Figure(figure_id, **record)
    if faults:
        raise InputError("\n".join(faults))
    return tuple(figures.values())


def _records(name: str, text: str, faults: list[str]) -> Iterator[tuple[str, str, Any]]:
    """Place, id and plain value of every record; faults of form are added to `faults`."""
    try:
        values, places = placed_mapping(
            text, name, "a mapping of ids to figures is wanted", InputError
        )
    except InputError as error:
        faults.append(str(error))
        return
    common = values.pop("common", {})
    if not isinstance(common, dict):
        faults.append(f"{places[('common',)]}: common: got {common!r}; a mapping is wanted")
        return
    for key, record in values.items():
        yield places[(key,)], key, {**common, **record} if isinstance(record, dict) else record
