"""The weight file of a Hugging Face folder: safetensors.

Every tensor is returned under its stored name; nothing is renamed, widened or left out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from edgesim.errors import InputError

WEIGHTS_FILE = "model.safetensors"
_OTHER_FORMS = ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack")
"""Other forms of the weights, which are not read."""
_OTHER_ENDS = ("safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "gguf", "onnx")


@dataclass(frozen=True)
class StoredWeights:
    """Tensors by stored name, and the file that messages name."""

    path: Path
    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


def read_weights(folder: Path) -> StoredWeights:
    """All tensors of a folder's model.safetensors.

    Other forms of the weights beside it are named in a note. Raises InputError for a missing,
    damaged or foreign file.
    """
    if not (folder / WEIGHTS_FILE).is_file():
        raise _no_weights(folder)
    unread = [other for other in _OTHER_FORMS if (folder / other).is_file()]
    notes = (f"weights are those of {WEIGHTS_FILE}; {', '.join(unread)} beside it is not read",)
    path = folder / WEIGHTS_FILE
    return StoredWeights(path, _safetensors(path), notes if unread else ())


def _no_weights(folder: Path) -> InputError:
    """What stands in the folder instead of weights."""
    others = sorted(path.name for end in _OTHER_ENDS for path in folder.glob(f"*.{end}"))
    stands = f"there is {', '.join(others[:3])}" if others else "no weights are there"
    return InputError(
        f"{folder}: no {WEIGHTS_FILE}; {stands}; save the model with save_pretrained(folder)"
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
