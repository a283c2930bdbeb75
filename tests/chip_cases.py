"""A calibrated toy trace with values, and chips of every arithmetic, for the functional tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.functional.calibration import with_largest
from edgesim.functional.chip.profile import Profile, profile_of
from edgesim.ir.ops import AttentionScores
from edgesim.ir.optrace import OpTrace
from edgesim.numerics import AdaptivFloat

SHAPE = BertShape(width=24, heads=3, hidden=40, layers=2, vocabulary=50, max_tokens=40)
FORMAT = AdaptivFloat(8, 3)


def sentences(*lengths: int, seed: int = 3) -> list[np.ndarray]:
    """Token ids without the padding id."""
    random = np.random.default_rng(seed)
    return [random.integers(1, SHAPE.vocabulary, length) for length in lengths]


def with_values(trace: OpTrace, seed: int = 0) -> OpTrace:
    """A toy trace with random AdaptivFloat<8,3> weights."""
    random = np.random.default_rng(seed)
    values = {}
    for name, tensor in trace.tensors.items():
        if tensor.tensor_class == "activation":
            continue
        shape = tensor.dims(0)
        drawn = random.standard_normal(shape) * (0.3 if len(shape) == 2 else 0.1)
        drawn = drawn + (1.0 if name.endswith("gamma") else 0.0)
        values[name] = FORMAT.quantize(drawn.astype(np.float32)).astype(np.float32)
    return replace(trace, values=values)


@cache
def toy(activation: str = "gelu", spans: tuple[int | None, ...] | None = None) -> OpTrace:
    """A two-layer BERT with off-ramps, weights and calibrated activations."""
    trace = with_values(bert_like(replace(SHAPE, activation=activation)))
    if spans is not None:
        layers = tuple(
            replace(layer, ops=tuple(
                replace(op, spans=spans) if isinstance(op, AttentionScores) else op
                for op in layer.ops
            ))
            for layer in trace.layers
        )  # fmt: skip
        trace = replace(trace, layers=layers)
    return with_largest(trace, sentences(5, 12, 20, seed=8))


def profile(overrides: Mapping[str, object] | None = None, name: str = "edgebert-n16") -> Profile:
    """The sound profile of a shipped chip."""
    return profile_of(toy_chip(name, overrides))
