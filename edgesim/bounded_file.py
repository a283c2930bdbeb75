"""Text and bytes of a file up to a size: a longer one is refused before it fills memory."""

from __future__ import annotations

from pathlib import Path

from edgesim.errors import EdgesimError, InputError

KIB = 2**10


def read_bounded(
    path: Path, what: str, most_kib: int, error: type[EdgesimError] = InputError
) -> bytes:
    """The content of a file of at most `most_kib` KiB; `what` says what such a file is.

    Raises `error` where it is longer or cannot be read.
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
    """The same as UTF-8 text; `error` also where it is none."""
    try:
        return read_bounded(path, what, most_kib, error).decode("utf-8")
    except UnicodeDecodeError as fault:
        raise error(
            f"{path}: no UTF-8 text ({fault.reason} at byte {fault.start}); {what}"
        ) from None
