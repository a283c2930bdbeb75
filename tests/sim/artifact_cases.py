"""Rows of the executed SystemC and the chip they ran on."""

from __future__ import annotations

import re
from functools import cache

import edgesim
from edgesim.hw.spec import AcceleratorSpec
from edgesim.validation.executed_rows import ExecutedOp, executed_ops

__all__ = ["ExecutedOp", "changed_chip", "executed_ops", "hls_chip", "noted"]


def noted(row: ExecutedOp, what: str) -> int:
    """A count from the notes column."""
    found = re.search(rf"{what}=(\d+)", row.notes)
    assert found is not None
    return int(found[1])


@cache
def hls_chip(vector_size: int = 16) -> AcceleratorSpec:
    """The released chip at one vector size."""
    return changed_chip({"pu.vector_size": vector_size})


def changed_chip(overrides: dict[str, object]) -> AcceleratorSpec:
    """The released chip with some values changed."""
    chip = edgesim.load_chip("edgebert-hls", overrides)
    assert isinstance(chip, AcceleratorSpec)
    return chip
