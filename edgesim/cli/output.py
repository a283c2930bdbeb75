"""What commands print: text for a reader, JSON for programs."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.files import json_text


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="F", help="write JSON to F, or to standard output"
    )


def check_output(path: str | None) -> None:
    """InputError before anything is computed for a file whose folder does not exist."""
    if path not in (None, "-") and not Path(str(path)).resolve().parent.is_dir():
        raise InputError(f"{path}: the folder {Path(str(path)).parent} does not exist")


def check_file(path: str | None) -> None:
    """`check_output`, and InputError for a folder where a file is to be written."""
    check_output(path)
    if path not in (None, "-") and Path(str(path)).is_dir():
        raise InputError(f"{path}: is a folder; name a file")


def check_writable(path: str | None) -> None:
    """InputError before anything is computed where the nearest folder that is there takes no file.

    Permission bits do not tell: root ignores them, and media are mounted for reading. So one is
    made that has no name.
    """
    if path in (None, "-"):
        return
    folder = Path(str(path)).absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: nothing can be written in {folder} ({error.strerror or error})"
        ) from None


def say(chosen: argparse.Namespace, text: str) -> None:
    """Print for a reader, unless standard output carries JSON."""
    if chosen.json != "-":
        print(text, flush=True)


def write_json(chosen: argparse.Namespace, content: Any) -> None:
    if chosen.json is None:
        return
    if chosen.json == "-":
        print(json_text(content, indent=1, sort_keys=True))
        return
    from edgesim.pipeline.output import write_json

    write_json(Path(chosen.json), content)
