"""Accounting of weights: every stored tensor goes into the module, or is named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgesim.errors import InputError
from edgesim.lowering.folder_config import FolderConfig
from edgesim.lowering.weight_files import StoredWeights

_LEFT_OUT = {
    "cls.predictions.": "language-model head", "predictions.": "language-model head",
    "vocab_transform.": "language-model head", "vocab_layer_norm.": "language-model head",
    "vocab_projector.": "language-model head", "cls.seq_relationship.": "next-sentence head",
    "sop_classifier.": "sentence-order head", "pooler.": "pooler",
}  # fmt: skip
"""Parts of pretraining that a stated class leaves out, as transformers does; they are noted."""
_LAYER_COUNTS = {
    "albert": ("num_hidden_groups", "inner_group_num"), "bert": ("num_hidden_layers",),
    "distilbert": ("n_layers", "num_hidden_layers"),
}  # fmt: skip
_SIZE_ENDS = ("size", "dim", "embeddings", "labels")
_MOST_NAMED = 3
_LAYER = re.compile(r"\b(layer|albert_layer_groups|albert_layers)\.\d+\.")


@dataclass(frozen=True)
class Skeleton:
    """Names and shapes of a class's weights, built without memory for them."""

    shapes: Mapping[str, tuple[int, ...]]
    tied: tuple[tuple[str, ...], ...]
    """Names of one and the same parameter."""
    prefix: str
    """Of the encoder's weights within a class with a head, such as `bert.`."""

    @classmethod
    def of(cls, module: Any) -> Skeleton:
        """Names and shapes of a module of transformers."""
        module.tie_weights()  # transformers 5.0 ties nothing on the meta device
        same: dict[int, list[str]] = {}
        for name, parameter in module.named_parameters(remove_duplicate=False):
            same.setdefault(id(parameter), []).append(name)
        shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        tied = tuple(tuple(names) for names in same.values() if len(names) > 1)
        return cls(shapes, tied, f"{module.base_model_prefix}.")

    @property
    def is_encoder(self) -> bool:
        """Whether the class is the encoder alone."""
        return not any(name.startswith(self.prefix) for name in self.shapes)


def holds_pooler(weights: StoredWeights, prefix: str) -> bool:
    """Whether the files hold the pooler of an encoder."""
    return any(name.removeprefix(prefix).startswith("pooler.") for name in weights.tensors)


def matched_weights(
    skeleton: Skeleton, weights: StoredWeights, config: FolderConfig
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensor of every weight of the class, and notes on those that it leaves out.

    Raises InputError that names weights missing, of another shape, or without a place.
    """
    named = _placed_names(skeleton, weights)
    state = {name: named[name] for name in skeleton.shapes if name in named}
    _tie(skeleton, state, weights)
    extra = {name: t for name, t in named.items() if name not in skeleton.shapes}
    unplaced = [name for name, tensor in extra.items() if not _is_harmless(name, tensor)]
    left_out = {name: _head_of(name, skeleton) for name in unplaced}
    strange = [name for name in unplaced if left_out[name] is None or not config.is_stated]
    missing = [name for name in skeleton.shapes if name not in state]
    faults = [
        *_extra_faults(strange, skeleton, config), *_missing_faults(missing, skeleton, config),
        *_shape_faults(skeleton, state, config),
    ]  # fmt: skip
    if faults:
        raise InputError(f"{weights.path}: {'; '.join(faults)}")
    heads: dict[str, list[str]] = {}
    for name, head in left_out.items():
        heads.setdefault(str(head), []).append(name)
    notes = tuple(
        f"the {head} is left out: {config.architecture} has no {_listed(names)}"
        for head, names in heads.items()
    )
    return state, notes


def _placed_names(skeleton: Skeleton, weights: StoredWeights) -> dict[str, Tensor]:
    """Tensors by the class's names: with or without the prefix of the encoder."""
    named: dict[str, Tensor] = {}
    has_prefix = any(name.startswith(skeleton.prefix) for name in weights.tensors)
    for stored_name, tensor in weights.tensors.items():
        name = stored_name
        if skeleton.is_encoder:
            name = name.removeprefix(skeleton.prefix)
        elif not has_prefix and skeleton.prefix + name in skeleton.shapes:
            name = skeleton.prefix + name
        if name in named:
            raise InputError(
                f"{weights.path}: holds {name} with and without {skeleton.prefix!r} before it; "
                "keep one of them"
            )
        named[name] = tensor
    return named


def _tie(skeleton: Skeleton, state: dict[str, Tensor], weights: StoredWeights) -> None:
    """Give every name of a shared weight its tensor; InputError where the file holds two."""
    for names in skeleton.tied:
        stored = [name for name in names if name in state]
        for name in stored[1:]:
            if not torch.equal(state[name], state[stored[0]]):
                raise InputError(
                    f"{weights.path}: {name} differs from {stored[0]}, with which the model shares "
                    'it; if they are two, state "tie_word_embeddings": false in config.json'
                )
        if stored:
            state |= dict.fromkeys(names, state[stored[0]])


def _is_harmless(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is a stored constant of the modules, with its usual values, or a counter."""
    last = name.rpartition(".")[2]
    if last == "position_ids":
        return torch.equal(tensor.flatten(), torch.arange(tensor.numel()).to(tensor.dtype))
    if last == "token_type_ids":
        return not torch.any(tensor)
    return name == "n_averaged"


def _head_of(name: str, skeleton: Skeleton) -> str | None:
    """The part of pretraining, lacked by the class, that a weight belongs to; else None."""
    own = [weight.removeprefix(skeleton.prefix) for weight in skeleton.shapes]
    plain = name.removeprefix(skeleton.prefix)
    for start, head in _LEFT_OUT.items():
        if plain.startswith(start) and not any(weight.startswith(start) for weight in own):
            return head
    return None


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")


def _counted(names: list[str], what: str) -> str:
    return f"{len(names)} {'weight' if len(names) == 1 else 'weights'} {what} ({_listed(names)})"


def _of_layers_beyond(names: list[str], others: Iterable[str]) -> list[str]:
    """Those of `names` that belong to a layer of which `others` has no weight."""
    known = {name[: at.end()] for name in others for at in _LAYER.finditer(name)}
    return [n for n in names if any(n[: at.end()] not in known for at in _LAYER.finditer(n))]


def _count_words(config: FolderConfig) -> str:
    """How many layers config.json states, with the names of the settings."""
    stated = [
        f"{name} {config.settings[name]}"
        for name in _LAYER_COUNTS[config.model_type] if name in config.settings
    ]  # fmt: skip
    return " and ".join(stated) or f"no {_LAYER_COUNTS[config.model_type][0]}"


def _extra_faults(names: list[str], skeleton: Skeleton, config: FolderConfig) -> list[str]:
    beyond = _of_layers_beyond(names, skeleton.shapes)
    others = [name for name in names if name not in beyond]
    faults = []
    if beyond:
        faults.append(
            f"{_counted(beyond, 'of layers that config.json does not state')}; it states "
            f"{_count_words(config)}: correct it"
        )
    if any("distance_embedding" in name for name in others):
        faults.append(f"relative positions are not lowered ({_listed(others)})")
    elif others:
        fix = "state the class that holds them as architectures in config.json, or save the model "
        faults.append(
            f"{_counted(others, f'without a place in {config.architecture}')}; {fix}without them"
        )
    return faults


def _missing_faults(names: list[str], skeleton: Skeleton, config: FolderConfig) -> list[str]:
    if not names:
        return []
    layers = _of_layers_beyond(names, skeleton.shapes.keys() - set(names))
    fix = "save the whole model, or correct architectures in config.json"
    if len(layers) == len(names):
        fix = f"config.json states {_count_words(config)}: correct it, or save the whole model"
    return [f"{_counted(names, f'of {config.architecture} missing')}; {fix}"]


def _shape_faults(
    skeleton: Skeleton, state: Mapping[str, Tensor], config: FolderConfig
) -> list[str]:
    faults, wrong = [], []
    for name, tensor in state.items():
        if tuple(tensor.shape) != skeleton.shapes[name]:
            wrong.append(name)
        elif not tensor.is_floating_point():
            faults.append(
                f"{name} is stored as {str(tensor.dtype).removeprefix('torch.')}; quantised "
                "weights are not read: save the model dequantised"
            )
    if wrong:
        name = wrong[0]
        stored, wanted = tuple(state[name].shape), skeleton.shapes[name]
        settings = _settings_of(stored, wanted, config)
        faults.append(
            f"{_counted(wrong, 'of another shape')}: {name} is {_by(stored)} in the file and "
            f"{_by(wanted)} by config.json; correct {settings}"
        )
    return faults[:_MOST_NAMED]


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "one value"


def _settings_of(stored: tuple[int, ...], wanted: tuple[int, ...], config: FolderConfig) -> str:
    """Settings of config.json that give a size which the file does not have."""
    sizes = set(wanted) - set(stored)
    names = [
        name for name, value in config.settings.items()
        if type(value) is int and value in sizes and name.endswith(_SIZE_ENDS)
    ]  # fmt: skip
    names += ["pruned_heads"] * bool(config.pruned_heads)
    return " or ".join(names) or "its sizes, pruned_heads or labels"
