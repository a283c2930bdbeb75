"""Traces and chips of the tests, under the names that they use."""

from __future__ import annotations

from collections.abc import Mapping

from edgesim.hw.loader import load_chip
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.encoder_trace import ALBERT_BASE, EncoderShape, encoder_trace

__all__ = ["ALBERT_BASE", "BertShape", "bert_like", "toy_chip"]

BertShape = EncoderShape
bert_like = encoder_trace


def toy_chip(
    name: str = "edgebert-n16", overrides: Mapping[str, object] | None = None
) -> AcceleratorSpec:
    """A shipped accelerator with overrides by dotted path."""
    chip = load_chip(name, overrides)
    assert isinstance(chip, AcceleratorSpec)
    return chip
