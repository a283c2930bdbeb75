"""From stored tensors to the weights of a module: names without wrappers, masks multiplied in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from edgesim.errors import InputError
from edgesim.lowering.weight_files import StoredWeights

WRAPPERS = ("_orig_mod", "module")
"""Parts of names that torch.compile and DataParallel put before what they wrap."""
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}
"""Parameters of a layer norm as checkpoints that come from TensorFlow name them."""
_ORIGINAL, _MASK = "_orig", "_mask"
"""Ends of the names that torch.nn.utils.prune gives a pruned parameter and its mask."""
_WIDENED = (torch.float16, torch.bfloat16)
_FLOATS = (*_WIDENED, torch.float32, torch.float64)


def plain_weights(stored: StoredWeights) -> StoredWeights:
    """The same weights as a module without wrappers and masks holds them, in float32.

    Raises InputError for two tensors of one name, a mask without its tensor or the reverse,
    another reparametrisation than a mask, and quantised values.
    """
    where = str(stored.path)
    named = _unwrapped_names(stored.tensors, where)
    _check_types(named, where)
    kinds = {tensor.dtype for tensor in named.values() if tensor.is_floating_point()}
    notes = [*stored.notes, *_type_notes(kinds)]
    floats = {
        name: tensor.to(torch.float32) if tensor.dtype in _FLOATS else tensor
        for name, tensor in named.items()
    }
    weights, masked = _masked(floats, where)
    if masked:
        notes.append(
            f"{len(masked)} pruning masks of torch.nn.utils.prune are multiplied into their "
            f"weights, such as {masked[0]}"
        )
    return StoredWeights(stored.path, weights, tuple(notes))


def _unwrapped_names(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for stored_name, tensor in tensors.items():
        parts = [part for part in stored_name.split(".") if part not in WRAPPERS]
        parts[-1:] = [_OLD_NAMES.get(part, part) for part in parts[-1:]]
        name = ".".join(parts) or stored_name
        if name in named:
            raise InputError(
                f"{where}: holds {name} twice, under names with and without "
                f"{' or '.join(WRAPPERS)}; keep one of them"
            )
        named[name] = tensor
    return named


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


def _masked(tensors: dict[str, Tensor], where: str) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors with each pruned one multiplied by its mask, and the names of those."""
    weights = dict(tensors)
    masked = []
    for original in [name for name in tensors if name.endswith(_ORIGINAL)]:
        name = original.removesuffix(_ORIGINAL)
        mask = tensors.get(name + _MASK)
        if mask is None:
            continue
        if name in tensors or mask.shape != tensors[original].shape:
            fault = "and a value without it" if name in tensors else "of another shape"
            raise InputError(
                f"{where}: {name} has a pruning mask {fault}; make pruning permanent "
                "with torch.nn.utils.prune.remove(module, name) and save the model again"
            )
        weights[name] = weights.pop(original) * weights.pop(name + _MASK).to(torch.float32)
        masked.append(name)
    _check_reparametrised(weights, where)
    return weights, masked


def _check_reparametrised(weights: Mapping[str, Tensor], where: str) -> None:
    """InputError for weights that are stored as the inputs of a function that gives them."""
    ends = (_ORIGINAL, "weight_g", "weight_v")
    found = [n for n in weights if ".parametrizations." in f".{n}" or n.endswith(ends)]
    if found:
        raise InputError(
            f"{where}: {found[0]} belongs to a reparametrised weight, whose value is not stored; "
            "take it off before saving: torch.nn.utils.parametrize.remove_parametrizations(module, "
            "name), or torch.nn.utils.prune.remove for a pruned one"
        )
