"""Checksums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgesim.errors import InputError


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_checked(path: Path, sha256: str) -> bytes:
    """The content of a file; InputError when it is missing or its SHA-256 is another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore the file") from None
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise InputError(
            f"{path}: sha256 {actual[:12]}…, config.json wants {sha256[:12]}… "
            f"({len(content)} bytes; truncated or changed); restore the file"
        )
    return content
