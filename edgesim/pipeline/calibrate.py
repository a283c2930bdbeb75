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
from edgesim.pipeline.models import ModelSource


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
