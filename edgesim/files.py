"""Names that become part of a path, whoever wrote them: files, archives, arguments."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from edgesim.errors import InputError

MOST_NAME_BYTES = 128
"""Room for endings such as `.checkpoint.safetensors` within the 255 bytes of file systems."""
MOST_SHOWN = 60
"""Characters of a wrong name that a message repeats."""
_FORBIDDEN = '/\\:*?"<>|'
"""Path separators, and what Windows allows in no file name."""
_DEVICES = frozenset({"con", "prn", "aux", "nul"}) | {
    f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"
}


def check_name(name: str) -> str:
    """The name itself, if it can be one file's or folder's name on every system.

    Raises InputError for an empty or over-long name, path separators, `..`, a leading dot,
    control and other invisible characters, characters and device names that Windows reserves, and
    spaces or dots at the ends that Windows drops.
    """
    fault = _name_fault(name)
    if fault:
        shown = repr(name) if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]!r}…"
        raise InputError(
            f"{shown} cannot name a file or folder: it {fault}; write a plain name of letters, "
            "digits, '-', '_' and '.'"
        )
    return name


def named_inside(folder: Path, relative: str) -> Path:
    """The path of `a/b` in a folder, where every part is a name; InputError where one is not."""
    return folder.joinpath(*(check_name(part) for part in relative.split("/")))


def _name_fault(name: str) -> str | None:
    """What forbids a name, as the end of a sentence."""
    if not name:
        return "is empty"
    if len(name.encode("utf-8", "surrogatepass")) > MOST_NAME_BYTES:
        return f"is longer than {MOST_NAME_BYTES} bytes"
    for character in name:
        if character in _FORBIDDEN:
            return f"holds {character!r}"
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            return f"holds the invisible character U+{ord(character):04X}"
    if name.startswith("."):
        return "begins with a dot"
    if ".." in name:
        return "holds '..'"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space, or ends with a dot"
    if name.partition(".")[0].strip().lower() in _DEVICES:
        return "is a device on Windows"
    return None
