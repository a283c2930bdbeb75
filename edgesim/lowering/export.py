"""Exporting a module: evaluation mode, symbolic length, the module left as it was."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from edgesim.errors import LoweringError
from edgesim.lowering.example import ExampleInputs
from edgesim.lowering.functionalise import functionalised


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within; modes and plain tensor attributes restored after.

    Pruning hooks recompute such attributes in the forward, and an export leaves stand-ins there.
    """
    modules = list(model.modules())
    modes = [module.training for module in modules]
    attributes = [
        {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        for module in modules
    ]
    try:
        model.eval()
        yield
    finally:
        for module, mode, kept in zip(modules, modes, attributes, strict=True):
            module.training = mode
            vars(module).update(kept)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Without the fused fast path of `torch.nn` encoders, whose nested tensors hide the ops."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def export_model(model: nn.Module, example: ExampleInputs) -> ExportedProgram:
    """The exported forward with a symbolic length, ops whole, without writes in place.

    Raises LoweringError if torch fails or the forward changes what outlives it.
    """
    length = Dim("S", min=2, max=example.max_tokens)
    arguments = dict(example.arguments)
    dynamic: dict[str, Any] = {
        name: {1: length} if isinstance(value, Tensor) else None
        for name, value in arguments.items()
    }
    dynamic[example.token_ids] = {example.token_axis: length}
    with _undisturbed(model), _plain_attention(), torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*assigned during export")
        try:
            program = torch.export.export(
                model, (), arguments, dynamic_shapes=dynamic, strict=False
            )
        except Exception as error:
            raise LoweringError(
                f"{type(model).__name__}: torch.export fails with {type(error).__name__}: "
                f"{_first_line(error)}; the forward may not depend on values of the tokens and "
                "must take any sentence length"
            ) from error
    return functionalised(program, type(model).__name__)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no message"
