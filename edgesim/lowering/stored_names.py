"""From stored tensors to the weights of a module: float32, whatever width they are stored in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from edgesim.errors import InputError
from edgesim.lowering.weight_files import StoredWeights

_WIDENED = (torch.float16, torch.bfloat16)
_FLOATS = (*_WIDENED, torch.float32, torch.float64)


def plain_weights(stored: StoredWeights) -> StoredWeights:
    """The same weights in float32; InputError for quantised values."""
    _check_types(stored.tensors, str(stored.path))
    kinds = {tensor.dtype for tensor in stored.tensors.values() if tensor.is_floating_point()}
    weights = {
        name: tensor.to(torch.float32) if tensor.dtype in _FLOATS else tensor
        for name, tensor in stored.tensors.items()
    }
    return StoredWeights(stored.path, weights, (*stored.notes, *_type_notes(kinds)))


def _check_types(tensors: Mapping[str, Tensor], where: str) -> None:
    """InputError for tensors in a floating-point format that is not widened exactly alone."""
    strange = [n for n, t in tensors.items() if t.is_floating_point() and t.dtype not in _FLOATS]
    strange += [n for n, t in tensors.items() if t.is_complex()]
    if strange:
        dtype = str(tensors[strange[0]].dtype).removeprefix("torch.")
        raise InputError(
            f"{where}: {strange[0]} is stored as {dtype}; allowed are float16, bfloat16, float32 "
            "and float64: save the model dequantised"
        )


def _type_notes(kinds: set[torch.dtype]) -> list[str]:
    widened = sorted(str(kind).removeprefix("torch.") for kind in kinds & {*_WIDENED})
    notes = []
    if widened:
        notes.append(f"weights are stored as {' and '.join(widened)} and widened to float32")
    if torch.float64 in kinds:
        notes.append("weights are stored as float64 and rounded to float32")
    return notes
