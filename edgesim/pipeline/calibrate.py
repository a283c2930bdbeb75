"""Calibration: the ranges of a model's activations over text, and their zeros."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.functional.calibration import with_largest, with_zeros
from edgesim.functional.chip.profile import profile_of
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.activation_statistics import ActivationStatistics
from edgesim.ir.optrace import OpTrace
from edgesim.pipeline.models import ModelFolder, ModelSource


def calibrate(
    trace: OpTrace, sentences: Sequence[Any], chip: Chip | None = None,
    origin: str = "sentences given in Python",
) -> OpTrace:  # fmt: skip
    """The trace with the largest magnitude of every activation in float32.

    Exponent biases and scales of a chip follow them. With a chip, also the zeros and null vectors
    of every activation in its arithmetic, at its vector size. `origin` names the sentences: token
    ids in their order (special tokens included), or input tensors of a trace without embeddings.
    The trace must hold weight values, as `es.lower` gives them.
    """
    found = with_largest(trace, sentences, origin)
    if chip is None:
        return found
    if not isinstance(chip, AcceleratorSpec):
        raise InputError(f"chip {chip.name}: only an accelerator has an arithmetic to calibrate")
    words = f"{origin}, in the arithmetic of {chip.name}"
    return with_zeros(found, sentences, profile_of(chip), words)


def calibrate_model(
    source: ModelSource, sentences: Path, chip: Chip | None, origin: str | None = None
) -> ActivationStatistics:
    """What a TSV of sentences shows of a model's activations."""
    ids = source.record(sentences).token_ids
    assert ids is not None
    words = origin or f"{len(ids)} sentences of {sentences.name}"
    return ActivationStatistics.of(calibrate(source.executable(), ids, chip, words))


def calibrate_selection(
    source: ModelSource, data_dir: Path, chip: Chip | None, origin: str | None = None
) -> ActivationStatistics:
    """What the selection slice of a zoo model shows; its text is in DATA/task/train.tsv.

    InputError for a model that is no zoo folder or whose text is not there.
    """
    from edgesim.compress.stored_selection import stored_selection
    from edgesim.compress.text import tokenize
    from edgesim.compress.zoo import load_zoo_tokenizer
    from edgesim.compress.zoo_config import load_zoo_config

    if not isinstance(source, ModelFolder):
        raise InputError(f"{source.path}: no zoo folder, so no selection slice; name --sentences")
    text, task = stored_selection(source.path, data_dir)
    tokenizer = load_zoo_tokenizer(source.path)
    ids = tokenize(tokenizer, text, load_zoo_config(source.path).max_tokens)
    words = origin or selection_origin(task, len(ids))
    return ActivationStatistics.of(calibrate(source.executable(), ids, chip, words))


def selection_origin(task: str, num_rows: int) -> str:
    """The selection slice in words, for reports."""
    return f"the selection slice, {num_rows:,} {task} training rows that were left out of training"
