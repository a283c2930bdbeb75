"""The media that the shipped tables declare: what chips may name, whatever their figures."""

from __future__ import annotations

from collections.abc import Mapping

from edgesim.errors import TechnologyError
from edgesim.tech.medium import Medium
from edgesim.tech.technology import load_technology


def known_media() -> Mapping[str, Medium]:
    """Media by name, in the order of the tables."""
    return load_technology().media


def medium_of(name: str) -> Medium:
    """A medium by name; TechnologyError for one that no table declares."""
    found = known_media().get(name)
    if found is None:
        raise TechnologyError(
            f"medium {name!r}: no table declares it; known: {', '.join(known_media())}"
        )
    return found


def media_of_class(*classes: str) -> tuple[str, ...]:
    """Names of the media of some classes, in the order of the tables."""
    return tuple(n for n, medium in known_media().items() if medium.medium_class in classes)


def writable_media() -> tuple[str, ...]:
    """Media that are written unless a chip says otherwise."""
    return tuple(name for name, medium in known_media().items() if medium.writable)


def storage_names() -> tuple[str, ...]:
    """Keys that the `storage` section of a chip may hold."""
    return tuple(dict.fromkeys(medium.storage for medium in known_media().values()))
