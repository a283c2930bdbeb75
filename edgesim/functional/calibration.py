"""Statistics of activations over a calibration set: largest magnitudes, zeros, null vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.functional.batch import batches
from edgesim.functional.chip.arithmetic import Coded, chip_arithmetic
from edgesim.functional.chip.profile import Profile
from edgesim.functional.execution import execute_batch
from edgesim.functional.float32 import float32_arithmetic
from edgesim.ir.ops import Op
from edgesim.ir.optrace import OpTrace


def with_largest(
    trace: OpTrace, sentences: Sequence[Any], origin: str = "sentences given in Python"
) -> OpTrace:
    """The trace with the largest float32 magnitude of every activation over the sentences.

    `origin` says what they are. Sentences are sequences of token ids in their order, or inputs of
    a trace without embeddings.
    """
    if not len(sentences):
        raise InputError("calibration: no sentences; at least one is needed")
    arithmetic = float32_arithmetic(trace)
    largest: dict[str, float] = defaultdict(float)

    def note(op: Op, value: Any) -> None:
        found = float(np.max(np.abs(arithmetic.values(value)), initial=0.0))
        largest[op.output] = max(largest[op.output], found)

    for _, batch in batches(trace, sentences):
        execute_batch(trace, batch, arithmetic, note)
    return replace(calibrated(trace, largest), calibration=origin)


def calibrated(trace: OpTrace, largest: Mapping[str, float]) -> OpTrace:
    """The trace with these largest magnitudes by activation."""
    tensors = {
        name: replace(tensor, largest=float(largest[name])) if name in largest else tensor
        for name, tensor in trace.tensors.items()
    }
    return replace(trace, tensors=tensors)


@dataclass
class _Zeros:
    """Counts over one tensor."""

    elements: int = 0
    nonzeros: int = 0
    vectors: int = 0
    null_vectors: int = 0

    def add(self, codes: NDArray[Any], vector_size: int) -> None:
        """Rows of codes, cut into vectors along the last axis; the last one may be short."""
        nonzero = codes != 0
        self.elements += nonzero.size
        self.nonzeros += int(nonzero.sum())
        missing = -nonzero.shape[-1] % vector_size
        padded = np.pad(nonzero, [(0, 0)] * (nonzero.ndim - 1) + [(0, missing)])
        alive = padded.reshape(*padded.shape[:-1], -1, vector_size).any(axis=-1)
        self.vectors += alive.size
        self.null_vectors += int(alive.size - alive.sum())


@dataclass
class _ZeroCounter:
    vector_size: int
    tensors: dict[str, _Zeros] = field(default_factory=lambda: defaultdict(_Zeros))

    def note(self, op: Op, value: Any) -> None:
        if isinstance(value, Coded) and op.holds_output:
            self.tensors[op.output].add(value.codes, self.vector_size)


def with_zeros(trace: OpTrace, sentences: Sequence[Any], profile: Profile, origin: str) -> OpTrace:
    """The trace with the zeros of every activation in a chip's arithmetic, and their origin.

    Density is the share of non-zero codes; null vectors are counted at the profile's vector size
    along the last axis. What an activation fuses away keeps density 1.
    """
    arithmetic = chip_arithmetic(trace, profile)
    counter = _ZeroCounter(profile.vector_size)
    for _, batch in batches(trace, sentences):
        execute_batch(trace, batch, arithmetic, counter.note)
    tensors = dict(trace.tensors)
    for name, zeros in counter.tensors.items():
        tensors[name] = replace(
            tensors[name], density=zeros.nonzeros / zeros.elements,
            null_vector_fraction=zeros.null_vectors / zeros.vectors,
        )  # fmt: skip
    return replace(
        trace, tensors=tensors, activation_statistics=origin, zeros_profile=profile.fingerprint,
        zeros_vector_size=profile.vector_size,
    )  # fmt: skip
