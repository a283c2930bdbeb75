"""Frozen embedding tables: pruned and rounded once, or from a file that several models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from edgesim.compress.files import read_checked
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.packed import unpack
from edgesim.compress.pruning import magnitude_mask
from edgesim.compress.recipe import Stage
from edgesim.compress.steps import Embeddings
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat

PREFIX = "encoder.embeddings."


def prepare_embeddings(model: MultiExitClassifier, stage: Stage) -> None:
    """Prune, round and freeze the tables as a stage asks, or take them from its stored file."""
    settings = stage.embeddings
    if settings is None:
        return
    if settings.file is not None:
        load_embeddings(model, settings)
        return
    number_format = settings.number_format
    if number_format is None and stage.quantise is not None:
        number_format = stage.quantise.weight_format
    embeddings: Any = model.encoder.embeddings
    for name, weight in embeddings.named_parameters():
        if weight.dim() == 2 and "LayerNorm" not in name:
            mask = magnitude_mask(weight, settings.prune_fraction or 0.0)
            weight.data = torch.where(mask, weight.data, torch.zeros(()))
        if number_format is not None:
            weight.data = torch.from_numpy(number_format.quantize(weight.data.numpy()))
        weight.requires_grad_(False)


def load_embeddings(model: MultiExitClassifier, settings: Embeddings) -> None:
    """Put the tables of `settings.file` into the model and freeze them.

    Raises InputError when the file is missing, changed, in another format than AdaptivFloat, or
    holds the tables of another model.
    """
    number_format, path = settings.number_format, Path(str(settings.file))
    if not isinstance(number_format, AdaptivFloat):
        raise InputError(f"{path}: stored tables are AdaptivFloat codes, not {settings.format}")
    stored = unpack(read_checked(path, str(settings.sha256)), number_format, str(path))
    embeddings: Any = model.encoder.embeddings
    tables = {PREFIX + name: table for name, table in embeddings.named_parameters()}
    wanted = {name: tuple(table.shape) for name, table in tables.items()}
    found = {name: values.shape for name, values in stored.items()}
    if wanted != found:
        raise InputError(f"{path}: holds the tables {found}, the model has {wanted}")
    for name, table in tables.items():
        table.data = torch.from_numpy(stored[name])
        table.requires_grad_(False)
