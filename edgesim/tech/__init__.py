"""Technology tables: figures with range, unit, source, conditions and kind."""

from edgesim.tech.curve import interpolate
from edgesim.tech.entry import KINDS, Entry
from edgesim.tech.technology import Bound, Technology, load_technology, parse_tables

__all__ = [
    "KINDS",
    "Bound",
    "Entry",
    "Technology",
    "interpolate",
    "load_technology",
    "parse_tables",
]
