"""Sections that chips of one file share: a grid of chips is not validated value by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from edgesim.hw.spec import AcceleratorSpec, Chip

MOST_SECTIONS = 1000
"""Sections kept; a continuous range brings a new one with every point."""
FIELDS = tuple(AcceleratorSpec.model_fields)
UNSHARED = ("kind", "artifact")
"""With these overridden, or an artifact, sections depend on each other."""


class KnownSections:
    """Checked sections of one chip file, by what overrides set within them.

    A section's own checks look at nothing outside it, except where there is an artifact; checks
    between sections are run for every chip.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def chip(self, overrides: Mapping[str, Any]) -> AcceleratorSpec | None:
        """The chip of these overrides; None where a section is new or a check fails."""
        changes = _by_section(overrides)
        if changes is None:
            return None
        try:
            parts = {name: self._known[name, changes.get(name, "")] for name in FIELDS}
            return AcceleratorSpec.model_validate(parts)
        except (KeyError, ValidationError):
            return None

    def shared(self, overrides: Mapping[str, Any], chip: Chip) -> Chip:
        """The chip that these overrides gave, with known sections; its others are kept."""
        changes = _by_section(overrides)
        if changes is None or not isinstance(chip, AcceleratorSpec) or chip.artifact is not None:
            return chip
        if len(self._known) >= MOST_SECTIONS:
            self._known.clear()
        for name in FIELDS:
            self._known.setdefault((name, changes.get(name, "")), getattr(chip, name))
        return self.chip(overrides) or chip


def _by_section(overrides: Mapping[str, Any]) -> dict[str, str] | None:
    """What is set within each section, in order, as text; None where sections are not shared."""
    changes: dict[str, str] = {}
    for path, value in overrides.items():
        section = path.partition(".")[0]
        if section in UNSHARED:
            return None
        changes[section] = changes.get(section, "") + repr((path, value))
    return changes
