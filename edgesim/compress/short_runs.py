"""Short trainings for studies: one stage from given weights, its logits kept in a work folder."""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.checkpoint import RECIPE_KEY, load_tensors, save_tensors
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.pruning import encoder_zero_fraction
from edgesim.compress.recipe import Stage
from edgesim.compress.record import unpadded_logits
from edgesim.compress.training import StageRun, TrainingSet

Tokens = Sequence[NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class ShortRun:
    """What a short training left."""

    logits: tuple[NDArray[np.float32], ...]
    """Of every text, (rows, ramps, labels)."""
    zero_fraction: float
    """Of the encoder matrices."""


def steps_stage(
    name: str, num_steps: int, batch_size: int, num_rows: int, **settings: object
) -> Stage:
    """A stage of at least `num_steps` optimiser steps; cut it with `short_run`."""
    values = {"name": name, "epochs": num_steps * batch_size / num_rows, "batch_size": batch_size}
    return Stage.model_validate(values | settings)


def short_run(
    start: MultiExitClassifier, stage: Stage, num_steps: int, rows: TrainingSet, seed: int,
    texts: Sequence[Tokens], work: Path | None = None,
) -> ShortRun:  # fmt: skip
    """Train a copy of `start` for `num_steps` of a stage and run it over the texts.

    With a work folder the result is kept there, and a training that was cut short goes on from its
    checkpoint; both belong to these weights, rows, texts and settings alone.
    """
    torch.set_num_threads(1)
    key = _key(start, stage, num_steps, rows, seed, texts)
    with _folder(work) as folder:
        kept = folder / f"{stage.name}-{key[:12]}.safetensors"
        if kept.is_file():
            return _as_run(load_tensors(kept, key)[0])
        model = copy.deepcopy(start)
        StageRun(
            model, stage, rows, seed=seed, checkpoint=kept.with_suffix(".checkpoint.safetensors"),
            max_steps=num_steps, recipe_sha256=key,
        ).run()  # fmt: skip
        zeros = encoder_zero_fraction(model.encoder.encoder)  # type: ignore[arg-type]
        tensors = {"zero_fraction": torch.tensor(zeros, dtype=torch.float64)}
        for index, tokens in enumerate(texts):
            logits = unpadded_logits(model.eval(), tokens, quiet=True)
            tensors[f"logits.{index}"] = torch.from_numpy(logits)
        save_tensors(tensors, kept, {RECIPE_KEY: key})
        kept.with_suffix(".checkpoint.safetensors").unlink(missing_ok=True)
        return _as_run(tensors)


def _as_run(tensors: dict[str, torch.Tensor]) -> ShortRun:
    logits = tuple(tensors[f"logits.{index}"].numpy() for index in range(len(tensors) - 1))
    return ShortRun(logits, float(tensors["zero_fraction"]))


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    if work is None:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
    else:
        work.mkdir(parents=True, exist_ok=True)
        yield work


def _key(
    start: MultiExitClassifier, stage: Stage, num_steps: int, rows: TrainingSet, seed: int,
    texts: Sequence[Tokens],
) -> str:  # fmt: skip
    """SHA-256 of all that a short run depends on."""
    settings = stage.model_dump(exclude_defaults=True) | {"steps": num_steps, "seed": seed}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in sorted(start.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    digest.update(rows.labels.tobytes())
    for tokens in (rows.tokens, *texts):
        digest.update(len(tokens).to_bytes(8, "little"))
        for ids in tokens:
            digest.update(len(ids).to_bytes(8, "little") + ids.tobytes())
    return digest.hexdigest()
