"""Files of the contracts: an .npz with a JSON header, written whole or not at all, no pickle."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.files import json_text
from edgesim.whole_file import whole_file

_HEADER = "header_json"
_ZIP_MAGIC = b"PK"
_END = struct.Struct("<4s4H2IH")
"""End of a zip's directory: magic, disks, members, directory bytes and place, comment length."""
_ZIP64 = b"PK\x06\x07"
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
MOST_DIRECTORY_BYTES = 2**20
MOST_HEADER_BYTES = 2**23
"""A sentence takes 20 bytes of it, an op of a trace 200 to 400."""
MOST_BYTES = 2**28
"""Of all arrays unpacked; the masks of a billion weights take half of it."""
_UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def write_npz(path: Path, meta: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and a JSON header; same content gives the same bytes."""
    header = np.frombuffer(json_text(meta, sort_keys=True).encode(), dtype=np.uint8)
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{_HEADER: header}, **dict(columns))


def content_hash(meta: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of a header and its arrays, with names, types and shapes."""
    digest = hashlib.sha256(json_text(meta, sort_keys=True).encode())
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name}:{column.dtype.str}:{column.shape}:".encode())
        digest.update(column.tobytes())
    return digest.hexdigest()


def read_npz(
    path: Path, kind: str, schema_version: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays of a file of the given kind.

    Raises InputError when the file is missing, truncated, of another kind or of a newer schema,
    and before anything is unpacked where it states more than `MOST_BYTES`.
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
        columns = _arrays(path)
        meta = json.loads(columns.pop(_HEADER).tobytes())
    except _UNREADABLE as error:
        raise InputError(
            f"{path}: not a readable {kind} file ({error}); perhaps truncated, write it anew"
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


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz; any of `_UNREADABLE` where it is none of ours."""
    with path.open("rb") as stream:
        _check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            header = sum(m.file_size for m in members if m.filename == f"{_HEADER}.npy")
            if unpacked > MOST_BYTES or header > MOST_HEADER_BYTES:
                raise ValueError(
                    f"unpacked it holds {unpacked} bytes, {header} of them header; allowed are "
                    f"{MOST_BYTES} and {MOST_HEADER_BYTES}"
                )
            return {m.filename.removesuffix(".npy"): _array(archive, m) for m in members}


def _check_directory(stream: BinaryIO) -> None:
    """The directory of a zip is read whole, so its size is looked at first."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END.size - 20))
    tail = stream.read()
    magic, *_, directory_bytes, _, _ = _END.unpack(tail[-_END.size :].rjust(_END.size))
    if magic != b"PK\x05\x06":
        raise ValueError("no end of a zip archive")
    if directory_bytes > MOST_DIRECTORY_BYTES or tail.startswith(_ZIP64):
        raise ValueError(f"a directory of more than {MOST_DIRECTORY_BYTES} bytes")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array of plain numbers, its stated size compared with its bytes before it is made."""
    if member.compress_type not in _COMPRESSIONS:
        raise ValueError(f"{member.filename}: compressed in a way that edgesim does not write")
    with archive.open(member) as stream:
        if npy.read_magic(stream) != (1, 0):
            raise ValueError(f"{member.filename}: another version of .npy")
        shape, _, dtype = npy.read_array_header_1_0(stream)
    stated = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biuf" or min(shape, default=0) < 0 or stated > member.file_size:
        raise ValueError(
            f"{member.filename}: states {dtype} {shape}, holds {member.file_size} bytes"
        )
    with archive.open(member) as stream:
        array: NDArray[Any] = npy.read_array(stream, allow_pickle=False)
    return array
