"""A report folder that appears whole or not at all, and never replaces anything else."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgesim.errors import InputError

REPORT_JSON = "report.json"
REPORT_KIND = "edgesim report"


def check_replaceable(folder: Path) -> None:
    """Raise InputError unless `folder` is absent, empty, or holds an earlier report only."""
    if not folder.parent.is_dir():
        raise InputError(f"{folder}: the folder {folder.parent} does not exist; create it first")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder for the report")
    known = _files_of_report(folder)
    foreign = sorted(
        entry.name for entry in folder.iterdir() if entry.name not in known or entry.is_dir()
    )
    if foreign:
        shown = ", ".join(foreign[:4]) + (", …" if len(foreign) > 4 else "")
        raise InputError(
            f"{folder}: holds {shown}, which no report wrote; name another folder or move "
            "what it holds"
        )


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill; on leaving without an error it takes the place of `folder`.

    What is filled lies beside `folder`, so that the last step is a rename. After an error
    `folder` is as it was.
    """
    folder = folder.resolve()
    check_replaceable(folder)
    prefix = f".{folder.name}."
    try:
        outer = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=folder.parent))
    except OSError as error:
        raise InputError(
            f"{folder}: nothing can be written in {folder.parent} ({error.strerror}); name a "
            "folder elsewhere"
        ) from None
    try:
        new = outer / "new"
        new.mkdir()
        yield new
        check_replaceable(folder)
        _exchange(new, folder, outer / "old")
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _exchange(new: Path, folder: Path, old: Path) -> None:
    existed = folder.exists()
    if existed:
        os.replace(folder, old)
    try:
        os.replace(new, folder)
    except OSError:
        if existed:
            os.replace(old, folder)
        raise


def _files_of_report(folder: Path) -> frozenset[str]:
    """Names that the report in a folder says it wrote; empty where there is no report."""
    try:
        record = json.loads((folder / REPORT_JSON).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return frozenset()
    if not isinstance(record, dict) or record.get("kind") != REPORT_KIND:
        return frozenset()
    files = record.get("files")
    names = files if isinstance(files, list) else []
    return frozenset(name for name in names if isinstance(name, str)) | {REPORT_JSON}
