"""A figure that the simulator is compared with, and how closely it has to be met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

TOLERANCES: Mapping[str, float | None] = MappingProxyType(
    {
        "executed": 0.0,
        "published": 0.05,
        "derived": 0.10,
        "recalled": None,
        "up to": None,
        "v1": None,
        "gpu": None,
        "silicon": None,
        "memory tool": None,
        "mapping tool": None,
    }
)
"""Relative tolerance by standing, fixed before any comparison; None is shown, never judged.

`executed`: the released SystemC, run for this project. `published`: read in its source.
`derived`: arithmetic on published figures. `recalled`: believed to stand in a source that could not
be read. `up to`: a best case without its conditions. `v1`: the first version of the paper, whose
hardware is not described. `gpu`: against a Jetson TX2. `silicon`: the 12 nm test chip.
`memory tool`, `mapping tool`: other people's models, run for this project.
"""


@dataclass(frozen=True)
class Figure:
    """One published, executed or derived figure."""

    id: str
    group: str
    """Heading under which it is listed."""
    what: str
    """The quantity in words, with its conditions."""
    standing: str
    """One of TOLERANCES."""
    source: str
    unit: str
    value: float
    simulate: str
    """Name of the simulation that gives the same quantity."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the simulation."""
    low: float | None = None
    """Range of the figure, where its source has one."""
    high: float | None = None
    bound: float | None = None
    """Difference, in the unit, that a listed exception among executed figures may have."""
    input_of_model: str = ""
    """The entry or fit that rests on this figure; such a row is fitted, never predicted."""
    cause: str = ""
    """Why the simulator differs, or what the comparison lacks."""
    family: str = ""
    """Figures of one family that all pass are listed on one line."""

    @property
    def tolerance(self) -> float | None:
        """Relative tolerance by standing."""
        return TOLERANCES[self.standing]


def figure_faults(figure_id: str, record: Any) -> list[str]:
    """What is wrong with one raw record; empty when it is sound."""
    if not isinstance(record, dict):
        return [f"{figure_id}: got {record!r}; a mapping is wanted"]
    known = {name for name in Figure.__dataclass_fields__ if name != "id"}
    wanted = ("group", "what", "standing", "source", "unit", "value", "simulate")
    faults = [f"{figure_id}: {name} is missing" for name in wanted if name not in record]
    faults += [f"{figure_id}: unknown key {name!r}" for name in record if name not in known]
    if faults:
        return faults
    standing = record["standing"]
    if standing not in TOLERANCES:
        return [f"{figure_id}.standing: got {standing!r}; allowed: {', '.join(TOLERANCES)}"]
    shown = TOLERANCES[standing] is None and not record.get("input_of_model")
    if shown and not record.get("cause"):
        faults.append(f"{figure_id}: what is only shown says why it differs: cause is missing")
    if record.get("bound") is not None and (standing != "executed" or not record.get("cause")):
        faults.append(f"{figure_id}: a bound belongs to an executed figure with its cause")
    return faults
