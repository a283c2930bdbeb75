"""Rounding of activations in training: every operand of a matrix product, at a fixed parameter.

The parameter of each tensor (AdaptivFloat's exponent bias, say) comes from the largest magnitude
seen while observing, as the chip's bias registers hold offline statistics.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from edgesim.compress.attention import OPERANDS
from edgesim.compress.attention_span import attention_modules
from edgesim.compress.fake_quantise import fake_quantise
from edgesim.numerics import NumberFormat

ATTENTION_OPERANDS = ("query", "key", "value", "probabilities")
INPUT = "input_rounding"
"""Name under which a linear layer holds the rounding of its input."""


class OperandRounding(nn.Module):
    """Rounds named operands of one module, after it has observed their magnitudes."""

    largest: Tensor

    def __init__(self, number_format: NumberFormat, names: tuple[str, ...]) -> None:
        super().__init__()
        self.number_format, self.names = number_format, names
        self.mode: Literal["off", "observe", "round"] = "off"
        self.register_buffer("largest", torch.zeros(len(names)))

    def forward(self, name: str, values: Tensor) -> Tensor:
        """The operand: as it is, as it is but remembered by magnitude, or rounded."""
        if self.mode == "off":
            return values
        place = self.names.index(name)
        if self.mode == "observe":
            top = values.detach().abs().amax()
            self.largest[place] = torch.maximum(self.largest[place], top)
            return values
        limit = np.array([float(self.largest[place])], dtype=np.float32)
        return fake_quantise(
            values.float(), self.number_format, self.number_format.parameter_for(limit)
        )


def _round_input(module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    rounding: OperandRounding = getattr(module, INPUT)
    return (rounding(INPUT, arguments[0]), *arguments[1:])


def attach_rounding(model: nn.Module, number_format: NumberFormat) -> list[OperandRounding]:
    """Round the inputs of every linear layer below, and the operands of every attention."""
    made: list[OperandRounding] = []
    for linear in [m for m in model.modules() if isinstance(m, nn.Linear)]:
        rounding = OperandRounding(number_format, (INPUT,))
        linear.add_module(INPUT, rounding)
        linear.register_forward_pre_hook(_round_input)
        made.append(rounding)
    for _, module in attention_modules(model):
        rounding = OperandRounding(number_format, ATTENTION_OPERANDS)
        module.add_module(OPERANDS, rounding)
        made.append(rounding)
    return made


def detach_rounding(model: nn.Module) -> None:
    """Take every rounding of activations away again."""
    for module in list(model.modules()):
        if isinstance(getattr(module, INPUT, None), OperandRounding):
            delattr(module, INPUT)
            hooks = module._forward_pre_hooks
            for key in [key for key, hook in hooks.items() if hook is _round_input]:
                del hooks[key]
        if isinstance(getattr(module, OPERANDS, None), OperandRounding):
            delattr(module, OPERANDS)
