"""Files of the contracts: an .npz with a JSON header, written whole or not at all, no pickle."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.whole_file import whole_file

_HEADER = "header_json"
_ZIP_MAGIC = b"PK"
_UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def write_npz(path: Path, meta: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and a JSON header; same content gives the same bytes."""
    header = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), dtype=np.uint8)
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{_HEADER: header}, **dict(columns))


def content_hash(meta: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of a header and its arrays, with names, types and shapes."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name}:{column.dtype.str}:{column.shape}:".encode())
        digest.update(column.tobytes())
    return digest.hexdigest()


def read_npz(
    path: Path, kind: str, schema_version: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays of a file of the given kind.

    Raises InputError when the file is missing, truncated, of another kind or of a newer schema.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such {kind} file")
    with path.open("rb") as stream:
        magic = stream.read(len(_ZIP_MAGIC))
    if magic and magic != _ZIP_MAGIC:
        raise InputError(
            f"{path}: not a readable {kind} file; an .npz that edgesim wrote is wanted"
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in stored.files}
        meta = json.loads(columns.pop(_HEADER).tobytes())
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: not a readable {kind} file, perhaps truncated ({error}); write it anew"
        ) from None
    if not isinstance(meta, dict):
        raise InputError(f"{path}: not a readable {kind} file; write it anew")
    if meta.get("kind") != kind:
        raise InputError(f"{path}: holds a {meta.get('kind')!r}, expected a {kind}")
    if meta.get("schema_version") != schema_version:
        raise InputError(
            f"{path}: {kind} schema {meta.get('schema_version')}, this edgesim reads "
            f"{schema_version}; write it anew"
        )
    return meta, columns
