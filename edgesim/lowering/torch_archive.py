"""Reading a `pytorch_model.bin`: a zip archive of `torch.save` that may hold plain tensors alone.

The pickle in it is read by torch's weights-only reader, which calls no code of the file; the check
before it bounds what is unpacked, the check behind it what came out.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgesim.errors import InputError

_RECORD = re.compile(
    r"^(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id)$"
)
"""Records of a state dict, behind the name of the archive."""
_MOST_PICKLE_BYTES = 64 * 2**20
_SAVE = "save the weights in Python with model.save_pretrained(folder)"


def read_archive(path: Path) -> dict[str, Tensor]:
    """Tensors of an archive by name; InputError for anything that is not a plain state dict."""
    _check_records(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: refused, since reading it could run code: it pickles more than tensors; "
            f"{_SAVE}"
        ) from None
    except Exception as error:  # the reader raises whatever a damaged record leads it to
        raise InputError(
            f"{path}: damaged: torch cannot read it ({type(error).__name__}); download or save it "
            "again"
        ) from None
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: holds a {type(content).__name__}, no state dict; {_SAVE}")
    for name, value in content.items():
        fault = _tensor_fault(name, value)
        if fault:
            raise InputError(f"{path}: {str(name)[:80]!r} {fault}; {_SAVE}")
    return {name: value.detach() for name, value in content.items()}


def _check_records(path: Path) -> None:
    """InputError unless the file is an intact, uncompressed zip with the records of tensors."""
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            fault = _records_fault(entries, size) or _checksum_fault(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        raise InputError(
            f"{path}: no zip archive of torch.save: truncated, or written before torch 1.6; "
            f"download it again, or {_SAVE}"
        ) from None
    if fault:
        raise InputError(f"{path}: {fault}")


def _records_fault(entries: list[zipfile.ZipInfo], size: int) -> str | None:
    """What is wrong with the records of an archive of `size` bytes, if anything is."""
    names = [entry.filename.partition("/") for entry in entries]
    strange = [root + slash + name for root, slash, name in names if not _RECORD.match(name)]
    if strange:
        return f"holds {strange[0][:80]!r}, which is no tensor; {_SAVE}"
    inner = [name for _, _, name in names]
    if len({root for root, _, _ in names}) != 1 or len(set(inner)) != len(inner):
        return "holds a record twice; download or save it again"
    if "data.pkl" not in inner:
        return f"lacks data.pkl, the list of tensors; {_SAVE}"
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        return f"is compressed, which torch.save does not do; {_SAVE}"
    if sum(entry.file_size for entry in entries) > size:
        return f"states more bytes than the {size} of the file; download or save it again"
    pickled = next(entry for entry, name in zip(entries, inner, strict=True) if name == "data.pkl")
    if pickled.file_size > _MOST_PICKLE_BYTES:
        return f"has a list of tensors of over {_MOST_PICKLE_BYTES >> 20} MiB; {_SAVE}"
    return None


def _checksum_fault(archive: zipfile.ZipFile) -> str | None:
    damaged = archive.testzip()
    if damaged is None:
        return None
    return f"damaged: the checksum of {damaged} is wrong; download or save it again"


def _tensor_fault(name: Any, value: Any) -> str | None:
    """Why an entry is no plain tensor of the file's own bytes; None where it is one."""
    if not isinstance(name, str):
        return "is no name"
    if type(value) not in (Tensor, nn.Parameter):
        return f"is a {type(value).__name__}, no tensor"
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        return "is a sparse, quantised or empty tensor"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return "is larger than what is stored of it"
    return None
