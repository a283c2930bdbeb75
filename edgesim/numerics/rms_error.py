"""Root-mean-square rounding error by format and width, on given weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics.adaptivfloat import AdaptivFloat
from edgesim.numerics.floats import small_float
from edgesim.numerics.posit import Posit
from edgesim.numerics.protocol import NumberFormat
from edgesim.numerics.scaled import AffineInteger, BlockFloat, FixedPoint, Integer

WIDTHS = (4, 5, 6, 7, 8)
CLIPPING_SHARES = tuple(0.8**i for i in range(12))
"""Scales that `int_clipping` tries, as shares of the one that holds the largest value."""


def _exponent_choices(bits: int, most: int) -> range:
    return range(2, min(most, bits - 1) + 1)


Quantise = Callable[[NDArray[np.floating]], NDArray[np.floating]]


def _named(formats: Iterable[NumberFormat]) -> dict[str, Quantise]:
    return {number_format.name: number_format.quantize for number_format in formats}


def _fitted(bits: int) -> dict[str, Quantise]:
    return {f"fixed<{bits},fitting>": lambda x: FixedPoint.fitting(bits, x).quantize(x)}


def clipped_integers(bits: int) -> Quantise:
    """Symmetric integers whose scale is the share of max|x|/top that errs least on the tensor."""
    number_format = Integer(bits)

    def quantise(x: NDArray[np.floating]) -> NDArray[np.floating]:
        whole = number_format.parameter_for(x)
        tried = (number_format.quantize(x, share * whole) for share in CLIPPING_SHARES)
        return min(tried, key=lambda rounded: squared_error([x], lambda _: rounded))

    return quantise


FAMILIES: Mapping[str, Callable[[int], dict[str, Quantise]]] = MappingProxyType(
    {
        "adaptivfloat": lambda n: _named(AdaptivFloat(n, e) for e in _exponent_choices(n, 5)),
        "float": lambda n: _named(small_float(n, e) for e in _exponent_choices(n, 5)),
        "posit": lambda n: _named(Posit(n, es) for es in range(3)),
        "bfp": lambda n: _named([BlockFloat(n)]),
        "int": lambda n: _named([Integer(n)]),
        "affine": lambda n: _named([AffineInteger(n)]),
        "fixed": _fitted,
        "fixed_clipping": lambda n: _named(FixedPoint(n, f) for f in range(n - 4, n + 5)),
        "int_clipping": lambda n: {f"int{n},clipping": clipped_integers(n)},
    }
)
"""Candidates of a width that stand for a family; of several the best on the given weights is shown.

All but the last two choose their range so that the largest value fits, or have a fixed one.
`fixed_clipping` puts one point for all tensors, `int_clipping` one scale for each, where the error
is least, so they cut the largest values off: a small RMS error, but of another kind.
"""


def squared_error(tensors: Iterable[NDArray[np.floating]], quantise: Quantise) -> float:
    """Sum of squared rounding errors, every tensor with its own parameter."""
    total = 0.0
    for tensor in tensors:
        difference = quantise(tensor).astype(np.float64) - tensor
        total += float(np.sum(difference * difference))
    return total


@dataclass(frozen=True)
class Choice:
    """The format that stands for a family at a width on some weights."""

    family: str
    bits: int
    number_format: str
    """Name of the best split into exponent, mantissa or fraction bits for these weights."""
    rms_error: float
    relative_rms_error: float
    """Over the weights' own RMS."""
    quantise: Quantise
    """Rounds a tensor with a parameter of its own."""


def best_formats(
    weights: Mapping[str, ArrayLike] | ArrayLike, widths: Sequence[int] = WIDTHS
) -> Iterator[Choice]:
    """The format of least RMS error over all weights together, per family and width.

    One parameter per tensor. InputError for weights without a non-zero value.
    """
    named = weights.values() if isinstance(weights, Mapping) else [weights]
    tensors = [np.asarray(tensor) for tensor in named]
    tensors = [t if t.dtype.kind == "f" else t.astype(np.float64) for t in tensors if t.size]
    count = sum(tensor.size for tensor in tensors)
    square = sum(float(np.sum(tensor.astype(np.float64) ** 2)) for tensor in tensors)
    if not square > 0:
        raise InputError("the weights are empty, all zero or not numbers")
    for family, candidates in FAMILIES.items():
        for bits in widths:
            found = candidates(bits)
            errors = {name: squared_error(tensors, f) for name, f in found.items()}
            name = min(errors, key=errors.__getitem__)
            rms, relative = math.sqrt(errors[name] / count), math.sqrt(errors[name] / square)
            yield Choice(family, bits, name, rms, relative, found[name])
