"""Files: names that become part of a path, content up to a size, lines of text, and JSON."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgesim.errors import EdgesimError, InputError

KIB = 2**10
MOST_TEXT_KIB = 2**20
"""Of a text file that is read by lines."""
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


def read_bounded(
    path: Path, what: str, most_kib: int, error: type[EdgesimError] = InputError
) -> bytes:
    """The content of a file of at most `most_kib` KiB; `what` says what such a file is.

    Raises `error` where it is longer, before it fills memory, or where it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(most_kib * KIB + 1)
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror}); {what}") from None
    if len(content) > most_kib * KIB:
        raise error(f"{path}: longer than {most_kib} KiB; {what}")
    return content


def read_bounded_text(
    path: Path, what: str, most_kib: int, error: type[EdgesimError] = InputError
) -> str:
    """The same as UTF-8 text without its byte order mark; `error` also for other bytes.

    Line ends stay as they are in the file.
    """
    content = read_bounded(path, what, most_kib, error)
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise error(
            f"{path}:{line}: not UTF-8 text ({fault.reason} at byte {fault.start}); {what}"
        ) from None


def read_lines(path: Path, what: str) -> list[tuple[int, str]]:
    """The lines of a UTF-8 text file that are not empty, each with its number, from 1.

    A line ends with LF or CRLF and with nothing else: a lone CR, a form feed, U+0085 or U+2028
    belongs to the line that holds it. Empty lines are passed over, and counted in the numbers.
    A byte order mark is dropped. Raises InputError for a file that cannot be read, other bytes
    than UTF-8, and NUL characters.
    """
    text = read_bounded_text(path, what, MOST_TEXT_KIB)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}:{line}: holds a NUL character; save the file as UTF-8 text")
    lines = text.replace("\r\n", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line]


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


def json_values(content: Any) -> Any:
    """The content as JSON has it: NaN is null, infinite numbers are the texts `inf` and `-inf`."""
    if isinstance(content, float) and not math.isfinite(content):
        return None if math.isnan(content) else str(float(content))
    if isinstance(content, Mapping):
        return {key: json_values(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [json_values(value) for value in content]
    return content


def json_text(content: Any, **layout: Any) -> str:
    """JSON of `json_values`, as every reader takes it; `layout` are options of `json.dumps`."""
    return json.dumps(json_values(content), allow_nan=False, **layout)


def with_number(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Values read from JSON, the one of `key` a number again where it stands as `inf`."""
    infinite = {key: float(values[key])} if values.get(key) in ("inf", "-inf") else {}
    return {**values, **infinite}
