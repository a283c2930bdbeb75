"""The figures of the YAML files beside this module."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from edgesim.errors import InputError
from edgesim.validation.figure import Figure, figure_faults


def written_figures() -> tuple[Figure, ...]:
    """Every figure of the package's files, in their order; InputError lists all faults."""
    folder = resources.files("edgesim.validation") / "figures"
    files = sorted(folder.iterdir(), key=lambda item: item.name)
    texts = {f.name: f.read_text(encoding="utf-8") for f in files if f.name.endswith(".yaml")}
    return parse_figures(texts)


def parse_figures(texts: dict[str, str]) -> tuple[Figure, ...]:
    """Figures from YAML texts by file name; a file is a mapping of ids to records.

    Records of a file share what its record `common` holds. Raises InputError with every fault.
    """
    figures: dict[str, Figure] = {}
    faults: list[str] = []
    for name, text in texts.items():
        for figure_id, record in _records(name, text, faults).items():
            wrong = figure_faults(figure_id, record)
            if figure_id in figures:
                wrong.append(f"{figure_id}: given twice; ids must be unique over all files")
            faults += [f"{name}: {fault}" for fault in wrong]
            if not wrong:
                figures[figure_id] = Figure(figure_id, **record)
    if faults:
        raise InputError("\n".join(faults))
    return tuple(figures.values())


def _records(name: str, text: str, faults: list[str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        faults.append(f"{name}: not valid YAML: {' '.join(str(error).split())}")
        return {}
    if not isinstance(content, dict):
        faults.append(f"{name}: a mapping of ids to figures is wanted")
        return {}
    common = content.pop("common", {})
    return {
        key: {**common, **record} if isinstance(record, dict) else record
        for key, record in content.items()
    }
