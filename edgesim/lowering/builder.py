"""The state of one lowering: values met so far, ops emitted, faults found. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.ops import Op
from edgesim.ir.size import Size
from edgesim.lowering.records import Call, Constant, Graph, NotUnderstoodError, Ref
from edgesim.lowering.views import Value, fresh

TOKEN_IDS = "token ids"
TOKEN_TYPES = "an argument that differs from token to token"
GIVEN_INDICES = (TOKEN_IDS, TOKEN_TYPES)
"""Values that come with a sentence; only an embedding may read them."""


@dataclass(frozen=True)
class Emitted:
    """An op with provisional tensor names, and the call that it came from."""

    op: Op
    call: Call


@dataclass(frozen=True)
class Scores:
    """Operands of a product q·kᵀ that waits for its softmax."""

    query: str
    key: str
    num_heads: int
    head_size: int
    scale: float


@dataclass(eq=False)
class Builder:
    """Collects ops and activation shapes while the op table walks over the calls."""

    graph: Graph
    values: dict[str, Value | tuple[Value, ...]] = field(default_factory=dict)
    emitted: list[Emitted] = field(default_factory=list)
    shapes: dict[str, tuple[Size, ...]] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)
    """Scores tensors that no softmax has read yet, or that were scaled before it."""
    probabilities: set[str] = field(default_factory=set)
    sliced: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Weights that are rows of a weight of the graph, by name."""
    split: set[str] = field(default_factory=set)
    """Outputs of products that were split into products of their columns."""
    faults: dict[str, str] = field(default_factory=dict)
    """Call name to reason."""

    def new_tensor(self, *shape: Size) -> str:
        """Provisional name of a new activation tensor."""
        name = f"%{len(self.shapes)}"
        self.shapes[name] = shape
        return name

    def emit(self, call: Call, op: Op) -> None:
        """Append an op."""
        self.emitted.append(Emitted(op, call))

    def operand(self, argument: Any) -> Value | Constant | float:
        """A tensor value, a constant or a number behind an argument."""
        if isinstance(argument, (int, float)):
            return float(argument)
        if isinstance(argument, Ref):
            if argument.name in self.graph.constants:
                return self.graph.constants[argument.name]
            value = self.values.get(argument.name)
            if isinstance(value, Value):
                return value
            if argument.name in self.graph.weights:
                raise NotUnderstoodError(f"it reads {self.graph.weights[argument.name]!r} in a "
                                         "place where only activations are expected")  # fmt: skip
        raise NotUnderstoodError("an operand that is no single tensor")

    def value(self, argument: Any) -> Value:
        """A tensor value behind an argument, as it is: perhaps scaled, perhaps a sum."""
        operand = self.operand(argument)
        if not isinstance(operand, Value):
            raise NotUnderstoodError("an operand that does not depend on the tokens")
        return operand

    def plain(self, argument: Any) -> Value:
        """A tensor value that an op can read: no elementwise function or sum left open."""
        value = self.value(argument)
        if value.tensor in GIVEN_INDICES:
            raise NotUnderstoodError(f"arithmetic on {value.tensor}")
        if value.summed_over_tokens:
            raise NotUnderstoodError("a sum over tokens that is not divided by their number")
        if value.tensor in self.scores:
            raise NotUnderstoodError("a product of two activations without a softmax behind it")
        if value.function is not None:
            raise NotUnderstoodError(
                "an elementwise function that is no relu, gelu, gelu_new or tanh", value.pending
            )
        return value

    def weight(self, argument: Any) -> str:
        """Name of the weight tensor behind an argument."""
        if isinstance(argument, Ref) and argument.name in self.graph.weights:
            return self.graph.weights[argument.name]
        raise NotUnderstoodError("an operand that should be a weight is none")

    def optional_weight(self, argument: Any) -> str | None:
        """Name of a weight tensor, or None where the argument is None."""
        return None if argument is None else self.weight(argument)

    def weight_shape(self, name: str) -> tuple[int, ...]:
        """Shape of a weight tensor."""
        return self.graph.values[name].shape

    def rows_of(self, weight: str, first: int, count: int) -> str:
        """Name of a weight that holds rows `first` to `first + count` of another."""
        name = f"{weight}[{first}:{first + count}]"
        self.sliced[name] = self.graph.values[weight][first : first + count]
        return name

    def stand_in(self, call: Call) -> Value:
        """A poisoned value in place of the result of a call that was not understood."""
        if call.shape is None:
            return Value("%unknown", (), (), poisoned=True)
        try:
            value = fresh("%unknown", call.shape)
        except NotUnderstoodError:
            return Value("%unknown", (), (), poisoned=True)
        return Value("%unknown", value.atoms, value.axes, poisoned=True)

    def reads_poison(self, call: Call) -> bool:
        """Whether the call reads the result of one that was not understood."""
        for name in call.references():
            value = self.values.get(name)
            members = value if isinstance(value, tuple) else (value,)
            if any(member is not None and member.poisoned for member in members):
                return True
        return False
