"""Torch-free records of an exported graph: what the op table reads, one record per call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.size import Size


@dataclass(frozen=True)
class Ref:
    """A value of the graph, by name: token ids, a weight, a constant or the result of a call."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A value known before any token is: from the mask, the length S or plain numbers."""

    fixed: float | None = None
    """Every element is `per_token * S + fixed`; None where the elements differ."""
    per_token: float = 0.0
    first_position: int | None = None
    """The last axis counts first_position, first_position + 1, …; None where it does not."""
    is_boolean: bool = False
    spans: tuple[int | None, ...] | None = None
    """A boolean mask in which token i sees token j of head h where |i - j| < spans[h]; None in it
    means all tokens. One entry where all heads are alike."""

    arguments: tuple[str, ...] = ()
    """Arguments of the forward that the value was computed from."""

    def origin(self) -> str:
        """Words that name the arguments behind the value; empty where there are none."""
        return f" (from argument {', '.join(self.arguments)})" if self.arguments else ""

    def equals(self, fixed: float, per_token: float = 0.0) -> bool:
        """Whether every element is `per_token * S + fixed`."""
        return self.fixed == fixed and self.per_token == per_token


@dataclass(frozen=True)
class Call:
    """One call of an operator on token-dependent values or weights."""

    name: str
    target: str
    """Such as `aten.linear.default`."""
    args: tuple[Any, ...]
    """Numbers, strings, None, `Ref` and tuples of these."""
    shape: tuple[Size, ...] | None
    """Shape of the result; None if it is no single tensor or not linear in S."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    module_stack: tuple[tuple[str, int], ...] = ()
    """Modules around the call, outermost first: path and how often it was called before."""

    @property
    def module_path(self) -> str:
        """Path of the innermost module; empty for the model itself."""
        return self.module_stack[-1][0] if self.module_stack else ""

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position or keyword."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    def references(self) -> Iterator[str]:
        """Names of the values that the call reads."""
        yield from references((self.args, tuple(self.kwargs.values())))


def references(argument: Any) -> Iterator[str]:
    """Names of all `Ref` in nested tuples."""
    if isinstance(argument, Ref):
        yield argument.name
    elif isinstance(argument, tuple):
        for item in argument:
            yield from references(item)


@dataclass(frozen=True, eq=False)
class Graph:
    """An exported forward pass of one sentence of S tokens."""

    token_ids: str
    """Name of the value that holds the token ids, (1, S), or the input tensor."""
    calls: tuple[Call, ...]
    """In execution order; calls that no output needs are left out."""
    outputs: tuple[Any, ...]
    """`Ref`, or a plain value, per returned tensor."""
    constants: Mapping[str, Constant]
    weights: Mapping[str, str]
    """Name of a value to the name of its weight tensor; shared weights meet in one tensor."""
    values: Mapping[str, NDArray[np.float32]]
    """Weight tensors by name."""
    token_types: str | None = None
    """Name of the value that holds token types which differ within a sentence, (1, S)."""
    half_precision: bool = False
    """Whether the program's own weights are half precision, so that its conversions to it round
    nothing that is not stored rounded."""
    input_shape: tuple[Size, ...] | None = None
    """Shape of the input tensor of a model without embeddings; None where there are token ids."""


class NotUnderstoodError(Exception):
    """Internal: a call that the op table cannot express; the table collects these."""

    def __init__(self, reason: str, calls: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.calls = calls
        """Names of the calls at fault; empty means the one being lowered."""
