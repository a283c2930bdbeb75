"""Tensor files of the work folder: whole or not at all, and read only by their own recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from edgesim.errors import InputError

RECIPE_KEY = "recipe_sha256"


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write tensors under a name once all of them are on disk; an earlier file survives a failure.

    Raises InputError when they cannot be written, as on a full disk.
    """
    partial = path.with_suffix(".partial")
    try:
        save_file({k: v.clone().contiguous() for k, v in tensors.items()}, partial, dict(metadata))
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        kept = "the previous file is kept" if path.is_file() else "nothing was written"
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be written ({reason}); {kept}; free some space and run the command "
            "again, it resumes there"
        ) from None


def load_tensors(path: Path, recipe_sha256: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file; InputError when it is damaged or of another recipe."""
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not readable ({error}); delete it to train it anew") from None
    owner = metadata.get(RECIPE_KEY, "none")
    if owner != recipe_sha256:
        raise InputError(
            f"{path}: written by another recipe (hash {owner[:12]}, this one has "
            f"{recipe_sha256[:12]}); name another work folder or delete the file"
        )
    return tensors, metadata
