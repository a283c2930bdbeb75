"""Hashes of whole chips, where the sections that chips share are read once."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from edgesim.hw.spec import Chip

MOST_SECTIONS = 1000


class ChipHashes:
    """Content hashes: equal for equal chips, whatever file or spelling they come from."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[BaseModel, str]] = {}
        """By identity, with the section itself so that none takes its place."""

    def of(self, chip: Chip) -> str:
        """The SHA-256 over all fields of a chip."""
        parts = [f"{name}:{self._text(getattr(chip, name))}" for name in type(chip).model_fields]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _text(self, value: Any) -> str:
        """A field as text that is equal for equal fields."""
        if isinstance(value, BaseModel):
            return self._section_text(value)
        if isinstance(value, dict):
            return ",".join(f"{name!r}:{self._text(value[name])}" for name in sorted(value))
        return repr(value)

    def _section_text(self, section: BaseModel) -> str:
        known = self._texts.get(id(section))
        if known is None:
            if len(self._texts) >= MOST_SECTIONS:
                self._texts.clear()
            known = section, _JSON(section.model_dump(mode="json", by_alias=False))
            self._texts[id(section)] = known
        return known[1]


_JSON = json.JSONEncoder(sort_keys=True).encode
