"""A local Hugging Face folder of the BERT family: its module, and what was not used of it.

Nothing is fetched, and no code of the folder is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgesim.errors import InputError
from edgesim.lowering.folder_config import (
    MOST_APPLICATIONS,
    FolderConfig,
    config_class,
    read_config,
)
from edgesim.lowering.folder_weights import Skeleton, holds_pooler, matched_weights
from edgesim.lowering.pruned_heads import with_pruned_heads
from edgesim.lowering.stored_names import plain_weights
from edgesim.lowering.weight_files import StoredWeights, read_weights

_OTHER_FOLDERS = {
    "modules.json": "a sentence-transformers folder, whose pooling and normalisation are not "
    "lowered; to lower its transformer alone, copy config.json and the weights to a folder of "
    "their own",
    "adapter_config.json": "an adapter of peft, which is not merged here; save the model behind "
    "merge_and_unload()",
}


@dataclass(frozen=True)
class LoadedFolder:
    """The module of a folder, and a line for everything in the folder that it does not use."""

    module: nn.Module
    """In float32 and evaluation mode."""
    notes: tuple[str, ...]


def load_hugging_face(folder: Path) -> LoadedFolder:
    """The module of a folder: encoder, encoder and classifier, or masked language model.

    Every weight and every setting of config.json is used, or named in a note or an error. Raises
    InputError for other architectures, settings that are not lowered, and files that are missing,
    damaged or do not fit each other.
    """
    for name, what in _OTHER_FOLDERS.items():
        if (folder / name).exists():
            raise InputError(f"{folder / name}: {what}")
    config = read_config(folder)
    weights = plain_weights(read_weights(folder))
    _check_counts(config, weights)
    prefix = config.model_type + "."
    options: dict[str, Any] = {}
    notes = [*config.notes, *weights.notes]
    has_option = config.architecture.endswith("Model") and config.model_type != "distilbert"
    if has_option and not holds_pooler(weights, prefix):
        options["add_pooling_layer"] = False
        notes.append(f"{config.architecture} is built without its pooler, which has no weights")
    module, unused = _built(config, weights, options)
    return LoadedFolder(module.eval(), (*notes, *unused))


def _check_counts(config: FolderConfig, weights: StoredWeights) -> None:
    """InputError for counts of layers beyond all weights: each takes time to build."""
    is_albert = config.model_type == "albert"
    modules = ("num_hidden_groups", "inner_group_num") if is_albert else (
        "num_hidden_layers", "n_layers",
    )  # fmt: skip
    most = {**dict.fromkeys(modules, len(weights.tensors))}
    most |= {"num_hidden_layers": MOST_APPLICATIONS} if is_albert else {}
    for name, limit in most.items():
        stated = config.settings.get(name)
        if isinstance(stated, int) and stated > limit:
            raise InputError(
                f"{config.path}: {name} is {stated}, of at most {limit} for the "
                f"{len(weights.tensors)} tensors of {weights.path.name}; correct {config.path.name}"
            )


def _built(
    config: FolderConfig, weights: StoredWeights, options: dict[str, Any]
) -> tuple[nn.Module, tuple[str, ...]]:
    """The module with its weights, and notes on weights that it does not take."""
    import transformers

    _check_activation(config)
    architecture = with_pruned_heads(getattr(transformers, config.architecture), config)
    with _quiet(), torch.random.fork_rng(devices=[]):
        try:
            settings = config_class(config.model_type).from_dict(dict(config.settings))
            with torch.device("meta"):
                skeleton = Skeleton.of(architecture(settings, **options))
        except InputError:
            raise
        except Exception as error:  # transformers raises nothing narrower
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"{config.path}: transformers cannot build {config.architecture} ({reason}); "
                f"correct {config.path.name}"
            ) from None
        state, notes = matched_weights(skeleton, weights, config)
        module: Any = architecture.from_pretrained(
            None, config=settings, state_dict=state, dtype=torch.float32, **options
        )
        module.tie_weights()  # transformers 5.0 unties what is given under both its names
    return module, notes


def _check_activation(config: FolderConfig) -> None:
    """InputError for a function that transformers does not have."""
    from transformers.activations import ACT2FN

    for name in ("hidden_act", "activation"):
        stated = config.settings.get(name, "gelu")
        if stated not in (list(ACT2FN) if isinstance(stated, str) else ()):
            raise InputError(
                f"{config.path}: {name} is {stated!r}, which transformers does not have; state the "
                "function that the model was trained with, such as gelu, gelu_new, relu or tanh"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and load reports of transformers; faults become errors here."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
