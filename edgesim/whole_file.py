"""Output files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgesim.errors import InputError


def check_folder(path: Path) -> None:
    """Raise InputError unless a file can have this name: its folder exists, and it is none."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write, of the same ending; it becomes `path` when all went well.

    After an error nothing of it is left. Raises InputError where the folder does not exist, and
    names `path` where the disk is full or refuses.
    """
    check_folder(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under its name only once all of it is there; as `whole_file`."""
    with whole_file(path) as partial:
        partial.write_bytes(content)
