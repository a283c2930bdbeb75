"""Technology tables: figures with range, unit, source, conditions and kind."""

from edgesim.tech.curve import interpolate
from edgesim.tech.entry import KINDS, Entry
from edgesim.tech.media import (
    known_media,
    media_of_class,
    medium_of,
    storage_names,
    writable_media,
)
from edgesim.tech.medium import Medium
from edgesim.tech.technology import Bound, Technology, load_technology, parse_tables

__all__ = [
    "KINDS",
    "Bound",
    "Entry",
    "Medium",
    "Technology",
    "interpolate",
    "known_media",
    "load_technology",
    "media_of_class",
    "medium_of",
    "parse_tables",
    "storage_names",
    "writable_media",
]
