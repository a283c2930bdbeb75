"""Recognising elementwise functions, however a model spells them, over the whole float range.

A chain of elementwise calls is kept as one function of one tensor. It is compared with the known
activations from the smallest to the largest float32 and on both sides of every bend (where a
`clamp` or `relu` inside it starts to act), so that a clamp which usual values never reach is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Function = Callable[[Samples], Samples]

_TOLERANCE = 1e-7
"""Relative and absolute; GELU and its tanh approximation differ by more than 1e-4."""
_BISECTIONS = 80
_LARGEST = float(np.finfo(np.float32).max)


def _points() -> Samples:
    """Zero, steps of 0.05 up to ±6, and 20 points a decade from 1e-38 to the largest float32."""
    decades = np.append(np.logspace(-38, 38, 76 * 20 + 1), _LARGEST)
    return np.unique(np.concatenate([np.linspace(-6, 6, 241), decades, -decades]))


POINTS: Samples = _points()
"""Points at which every elementwise function is compared, ascending."""
POINTS.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A function of the elements of one tensor, made of the calls of a graph."""

    apply: Function
    """From float64 points to float64 values of one shape."""
    bends: tuple[tuple[Function, float], ...] = ()
    """Inner functions and bounds: the slope may jump where the inner function crosses its bound."""

    def points(self) -> Samples:
        """POINTS, both sides of every bend, and the middle between neighbouring bends."""
        places = [place for inner, bound in self.bends for place in _crossings(inner, bound)]
        if not places:
            return POINTS
        at = np.unique(np.array(places))
        gap = np.maximum(np.abs(at) * 1e-6, 1e-30)
        return np.unique(np.concatenate([POINTS, at, at - gap, at + gap, (at[1:] + at[:-1]) / 2]))

    def close_to(self, other: Function, rtol: float, atol: float) -> bool:
        """Whether both functions have the same values at `points()`, within the tolerances."""
        points = self.points()
        with np.errstate(all="ignore"):
            return bool(np.allclose(self.apply(points), other(points), rtol=rtol, atol=atol))


IDENTITY = Elementwise(lambda x: x)


def _crossings(inner: Function, bound: float) -> list[float]:
    """Points at which a function crosses a bound, each refined by bisection."""
    with np.errstate(all="ignore"):
        above = inner(POINTS) > bound
        places = []
        for i in np.flatnonzero(above[1:] != above[:-1]):
            low, high = float(POINTS[i]), float(POINTS[i + 1])
            for _ in range(_BISECTIONS):
                middle = (low + high) / 2
                same = bool(inner(np.array([middle]))[0] > bound) == bool(above[i])
                low, high = (middle, high) if same else (low, middle)
            places.append(high)
    return places


def _erf(x: Samples) -> Samples:
    return np.array([math.erf(v) for v in x.tolist()])


def _gelu(x: Samples, approximate: str = "none") -> Samples:
    if approximate == "tanh":
        inner: Samples = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + inner)
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _relu(x: Samples) -> Samples:
    return np.maximum(x, 0)


def _clamp(x: Samples, min: float | None = None, max: float | None = None) -> Samples:
    return x if min is None and max is None else np.clip(x, min, max)


def _hardtanh(x: Samples, min_val: float = -1.0, max_val: float = 1.0) -> Samples:
    return np.clip(x, min_val, max_val)


def _add(a: Any, b: Any, alpha: float = 1) -> Any:
    return a + alpha * b


def _subtract(a: Any, b: Any, alpha: float = 1) -> Any:
    return a - alpha * b


UNARY: Mapping[str, Callable[..., Samples]] = MappingProxyType(
    {
        "aten.relu.default": _relu,
        "aten.gelu.default": _gelu,
        "aten.tanh.default": np.tanh,
        "aten.erf.default": _erf,
        "aten.sigmoid.default": lambda x: 1 / (1 + np.exp(-x)),
        "aten.exp.default": np.exp,
        "aten.neg.default": np.negative,
        "aten.pow.Tensor_Scalar": np.power,
        "aten.clamp.default": _clamp,
        "aten.clip.default": _clamp,
        "aten.clamp_min.default": np.maximum,
        "aten.clamp_max.default": np.minimum,
        "aten.relu6.default": lambda x: np.clip(x, 0, 6),
        "aten.hardtanh.default": _hardtanh,
    }
)
"""Elementwise functions of one tensor; further arguments are numbers."""

_OWN_BOUNDS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "aten.relu.default": (0.0,),
        "aten.relu6.default": (0.0, 6.0),
        "aten.hardtanh.default": (-1.0, 1.0),
    }
)
"""Bounds of functions that name none; those of clamps are their arguments."""

BINARY: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "aten.add.Tensor": _add,
        "aten.add.Scalar": _add,
        "aten.sub.Tensor": _subtract,
        "aten.sub.Scalar": _subtract,
        "aten.rsub.Scalar": lambda a, b, alpha=1: b - alpha * a,
        "aten.mul.Tensor": np.multiply,
        "aten.mul.Scalar": np.multiply,
        "aten.div.Tensor": np.divide,
        "aten.div.Scalar": np.divide,
    }
)
"""Elementwise functions of two tensors, or of a tensor and a number."""

_KNOWN: Mapping[str, Function] = MappingProxyType(
    {
        "relu": _relu,
        "gelu": _gelu,
        "gelu_new": lambda x: _gelu(x, "tanh"),
        "tanh": np.tanh,
    }
)


def unary(inner: Elementwise, target: str, *arguments: Any, **options: Any) -> Elementwise:
    """A function of UNARY behind another function."""
    outer = UNARY[target]
    stated = [v for v in (*arguments, *options.values()) if isinstance(v, (int, float))]
    bounds: Iterable[float] = _OWN_BOUNDS.get(target, ())
    if target.startswith(("aten.clamp", "aten.clip")) or (stated and "hardtanh" in target):
        bounds = stated
    return Elementwise(
        lambda x: outer(inner.apply(x), *arguments, **options),
        (*inner.bends, *((inner.apply, float(bound)) for bound in bounds)),
    )


def binary(
    first: Elementwise | float, second: Elementwise | float, target: str, **options: Any
) -> Elementwise:
    """A function of BINARY over two functions of one tensor, or one function and a number."""
    outer = BINARY[target]
    functions = [f for f in (first, second) if isinstance(f, Elementwise)]
    bends = dict.fromkeys(bend for function in functions for bend in function.bends)
    return Elementwise(
        lambda x: outer(_at(first, x), _at(second, x), **options), tuple(bends)
    )  # fmt: skip


def square(inner: Elementwise) -> Elementwise:
    """The square of a function."""
    return Elementwise(lambda x: inner.apply(x) ** 2, inner.bends)


def _at(operand: Elementwise | float, x: Samples) -> Any:
    return operand.apply(x) if isinstance(operand, Elementwise) else operand


def is_identity(function: Elementwise) -> bool:
    """Whether the function returns its argument."""
    return function.close_to(IDENTITY.apply, rtol=1e-12, atol=1e-12)


def scale_factor(function: Elementwise | None) -> float | None:
    """Factor of a function that only scales, 1.0 for None; None for any other function."""
    if function is None:
        return 1.0
    with np.errstate(all="ignore"):
        factor = float(function.apply(np.ones(1))[0])
    same = function.close_to(lambda x: factor * x, rtol=1e-12, atol=1e-12)
    return factor if same else None


def identify(function: Elementwise) -> str | None:
    """Name of the activation with these values: relu, gelu, gelu_new or tanh; None for others."""
    for name, known in _KNOWN.items():
        if function.close_to(known, rtol=_TOLERANCE, atol=_TOLERANCE):
            return name
    return None
