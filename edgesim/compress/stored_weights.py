"""The weights of a zoo folder as arrays, without PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesim.compress.files import read_checked
from edgesim.compress.packed import unpack
from edgesim.compress.zoo_config import load_zoo_config

SHARED_FOLDER = "shared"


def stored_weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Decoded tensors by name; InputError for a missing, truncated or changed file."""
    config = load_zoo_config(folder)
    tensors: dict[str, NDArray[np.float32]] = {}
    for path, stored in (
        (folder / config.weights.file, config.weights),
        (folder.parent / SHARED_FOLDER / config.embeddings.file, config.embeddings),
    ):
        content = read_checked(path, stored.sha256)
        tensors |= unpack(content, config.weight_format.number_format, str(path))
    return tensors
