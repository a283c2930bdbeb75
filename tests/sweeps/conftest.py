"""A toy model and workload that sweep tests share, small enough for milliseconds a point."""

from __future__ import annotations

import numpy as np
import pytest
from toy_traces import BertShape, bert_like

from edgesim.ir.optrace import OpTrace
from edgesim.ir.workload import Workload

SHAPE = BertShape(width=32, heads=2, hidden=64, layers=2, vocabulary=96, max_tokens=32, density=0.5)


def toy_workload(count: int = 6) -> Workload:
    """Sentences with falling entropies, answers and token ids."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(3, 12, count)
    entropies = np.sort(rng.random((count, 2)) * np.log(2), axis=1)[:, ::-1].copy()
    return Workload(
        "toy", lengths, entropies, rng.normal(size=(count, 2, 2)).astype(np.float32),
        rng.integers(0, 2, count), tuple(np.sort(rng.integers(0, 96, n)) for n in lengths),
    )  # fmt: skip


@pytest.fixture(scope="session")
def trace() -> OpTrace:
    """A two-layer encoder with off-ramps."""
    return bert_like(SHAPE)


@pytest.fixture(scope="session")
def workload() -> Workload:
    """Six sentences."""
    return toy_workload()
