"""Exporting a module: evaluation mode, symbolic length, the module left as it was."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from edgesim.errors import LoweringError
from edgesim.lowering.example import ExampleInputs
from edgesim.lowering.export_failures import longest_allowed, why_export_failed
from edgesim.lowering.functionalise import functionalised
from edgesim.lowering.module_run import attributes_restored, plain_attention, undisturbed


def export_model(model: nn.Module, example: ExampleInputs) -> tuple[ExportedProgram, ExampleInputs]:
    """The exported forward with a symbolic length, ops whole, without writes in place.

    A forward that takes sentences only up to some length, such as that of a table which it cuts,
    is exported up to there: the example inputs that are returned state the limit. Raises
    LoweringError if torch fails or the forward changes what outlives it.
    """
    with _stand_ins(model), quiet():
        try:
            program = _exported(model, example)
        except Exception as error:  # torch and the forward may raise anything
            longest = longest_allowed(error)
            if longest is None or longest < example.num_tokens:
                raise LoweringError(why_export_failed(model, error)) from error
            example = replace(example, max_tokens=longest)
            try:
                program = _exported(model, example)
            except Exception as again:
                raise LoweringError(why_export_failed(model, again)) from again
    return functionalised(program, type(model).__name__), example


@contextmanager
def _stand_ins(model: nn.Module) -> Iterator[None]:
    """What a model needs to be run on stand-ins and left as it was."""
    with attributes_restored(model), undisturbed(model), plain_attention(), torch.no_grad():
        yield


def _exported(model: nn.Module, example: ExampleInputs) -> ExportedProgram:
    arguments = example.at(max(2, example.num_tokens))
    length = Dim("S", min=2, max=example.max_tokens)
    dynamic: dict[str, Any] = {
        name: dict.fromkeys(example.axes[name], length) if isinstance(value, Tensor) else None
        for name, value in arguments.items()
    }
    return torch.export.export(model, (), arguments, dynamic_shapes=dynamic, strict=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's log lines, warnings and prints of graphs; the error says what is wrong."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
