"""Exporting a module: evaluation mode, symbolic length, the module left as it was."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from edgesim.errors import LoweringError
from edgesim.lowering.example import ExampleInputs
from edgesim.lowering.export_failures import why_export_failed
from edgesim.lowering.functionalise import functionalised
from edgesim.lowering.module_run import plain_attention, undisturbed


def export_model(model: nn.Module, example: ExampleInputs) -> ExportedProgram:
    """The exported forward with a symbolic length, ops whole, without writes in place.

    Raises LoweringError if torch fails or the forward changes what outlives it.
    """
    arguments = example.at(max(2, example.num_tokens))
    length = Dim("S", min=2, max=example.max_tokens)
    dynamic: dict[str, Any] = {
        name: dict.fromkeys(example.axes[name], length) if isinstance(value, Tensor) else None
        for name, value in arguments.items()
    }
    with undisturbed(model), plain_attention(), torch.no_grad(), quiet():
        try:
            program = torch.export.export(
                model, (), arguments, dynamic_shapes=dynamic, strict=False
            )
        except Exception as error:  # torch and the forward may raise anything
            raise LoweringError(why_export_failed(model, error)) from error
    return functionalised(program, type(model).__name__)


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
