"""Weight files of a Hugging Face folder: safetensors or `pytorch_model.bin`, whole or in shards.

Every tensor is returned under its stored name; nothing is renamed, widened or left out here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from edgesim.errors import InputError
from edgesim.files import read_bounded_text
from edgesim.lowering.torch_archive import read_archive

INDEX_END = ".index.json"
_MOST_INDEX_KIB = 16 * 1024
_OTHER_FORMS = ("tf_model.h5", "flax_model.msgpack")
"""Weights of other frameworks, which are not read."""
_OTHER_ENDS = ("safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "gguf", "onnx")
_PLAIN_NAME = re.compile(r"^\w[\w.-]*$")


@dataclass(frozen=True)
class StoredWeights:
    """Tensors by stored name, and the file that messages name."""

    path: Path
    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


def read_weights(folder: Path) -> StoredWeights:
    """All tensors of a folder's weight files, safetensors first, a whole file before shards.

    Another form of the weights beside the one that is read is named in a note. Raises InputError
    for missing, damaged or foreign files, and for an index that its shards do not match.
    """
    readers = _readers()
    present = [name for name in readers if (folder / name).is_file()]
    if not present:
        raise _no_weights(folder, list(readers))
    name, *unread = present
    unread += [other for other in _OTHER_FORMS if (folder / other).is_file()]
    notes = (f"weights are those of {name}; {', '.join(unread)} beside it is not read",)
    return StoredWeights(folder / name, readers[name](folder / name), notes if unread else ())


def _readers() -> dict[str, Callable[[Path], dict[str, Tensor]]]:
    """Reading function by file name, in order of preference."""
    return {
        "model.safetensors": _safetensors,
        f"model.safetensors{INDEX_END}": lambda path: _shards(path, _safetensors),
        "pytorch_model.bin": read_archive,
        f"pytorch_model.bin{INDEX_END}": lambda path: _shards(path, read_archive),
    }


def _no_weights(folder: Path, names: list[str]) -> InputError:
    """What stands in the folder instead of weights."""
    others = sorted(path.name for end in _OTHER_ENDS for path in folder.glob(f"*.{end}"))
    stands = f"there is {', '.join(others[:3])}" if others else "no weights are there"
    return InputError(
        f"{folder}: none of {', '.join(names)}; {stands}; save the model with "
        "save_pretrained(folder)"
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(str(path), framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: damaged or no safetensors file ({reason}); download or save it again"
        ) from None


def _shards(path: Path, read: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of all shards of an index; InputError unless they are those that the index names."""
    shard_of = _weight_map(path)
    shards = sorted(set(shard_of.values()))
    absent = [shard for shard in shards if not (path.parent / shard).is_file()]
    if absent:
        raise InputError(
            f"{path}: {len(absent)} of {len(shards)} shards are missing ({', '.join(absent[:3])}); "
            "download or save the folder again"
        )
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        stored = read(path.parent / shard)
        named = {name for name, file in shard_of.items() if file == shard}
        if stored.keys() != named:
            lacking, extra = sorted(named - stored.keys()), sorted(stored.keys() - named)
            raise InputError(
                f"{path.parent / shard}: {len(lacking)} tensors that {path.name} places there are "
                f"missing and {len(extra)} are not placed there ({', '.join((lacking + extra)[:3])}"
                "); download or save the folder again"
            )
        tensors |= stored
    return tensors


def _weight_map(path: Path) -> dict[str, str]:
    """File of every tensor by the index; InputError for names that are no plain file names."""
    text = read_bounded_text(path, "an index of shards is wanted", _MOST_INDEX_KIB)
    try:
        shard_of = json.loads(text)["weight_map"]
        files = set(shard_of.values())
        if not files or not all(_PLAIN_NAME.match(file) for file in files):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(
            f"{path}: no index of shards: its weight_map must give a file of the folder for each "
            "tensor; download or save it again"
        ) from None
    end = path.name.removesuffix(INDEX_END).rpartition(".")[2]
    stem = path.name.removesuffix(INDEX_END).removesuffix(f".{end}")
    unnamed = {file.name for file in path.parent.glob(f"{stem}-*-of-*.{end}")} - files
    if unnamed:
        raise InputError(
            f"{path}: names no tensor of {', '.join(sorted(unnamed)[:3])}, which lies beside it; "
            "download or save the folder again"
        )
    return {str(name): file for name, file in shard_of.items()}
