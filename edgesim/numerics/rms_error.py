"""Root-mean-square rounding error by format and width, on given weights.

`python -m edgesim.numerics.rms_error WEIGHTS.safetensors` writes the table as CSV.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import EdgesimError, InputError
from edgesim.numerics.adaptivfloat import AdaptivFloat
from edgesim.numerics.floats import small_float
from edgesim.numerics.posit import Posit
from edgesim.numerics.protocol import NumberFormat
from edgesim.numerics.scaled import AffineInteger, BlockFloat, FixedPoint, Integer

if TYPE_CHECKING:
    import pandas as pd

WIDTHS = (4, 5, 6, 7, 8)


def _exponent_choices(bits: int, most: int) -> range:
    return range(2, min(most, bits - 1) + 1)


Quantise = Callable[[NDArray[np.floating]], NDArray[np.floating]]


def _named(formats: Iterable[NumberFormat]) -> dict[str, Quantise]:
    return {number_format.name: number_format.quantize for number_format in formats}


def _fitted(bits: int) -> dict[str, Quantise]:
    return {f"fixed<{bits},fitting>": lambda x: FixedPoint.fitting(bits, x).quantize(x)}


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
    }
)
"""Candidates of a width that stand for a family; of several the best on the given weights is shown.

All but the last choose their range so that the largest value fits, or have a fixed one.
`fixed_clipping` puts one point for all tensors where the error is least, so it cuts the largest
values off: a small RMS error, but of another kind.
"""


def squared_error(tensors: Iterable[NDArray[np.floating]], quantise: Quantise) -> float:
    """Sum of squared rounding errors, every tensor with its own parameter."""
    total = 0.0
    for tensor in tensors:
        difference = quantise(tensor).astype(np.float64) - tensor
        total += float(np.sum(difference * difference))
    return total


def rms_error_table(
    weights: Mapping[str, ArrayLike] | ArrayLike, widths: Sequence[int] = WIDTHS
) -> pd.DataFrame:
    """RMS error of the best format of each family and width, over all weights together.

    Columns: `family`, `bits`, `number_format` (the best split into exponent, mantissa or fraction
    bits for these weights), `rms_error` and `relative_rms_error` (over the weights' own RMS). One
    parameter per tensor. No retraining. InputError for weights without a non-zero value.
    """
    import pandas as pd

    named = weights.values() if isinstance(weights, Mapping) else [weights]
    tensors = [np.asarray(tensor) for tensor in named]
    tensors = [t if t.dtype.kind == "f" else t.astype(np.float64) for t in tensors if t.size]
    count = sum(tensor.size for tensor in tensors)
    square = sum(float(np.sum(tensor.astype(np.float64) ** 2)) for tensor in tensors)
    if not square > 0:
        raise InputError("rms_error_table: the weights are empty, all zero or not numbers")
    rows = []
    for family, candidates in FAMILIES.items():
        for bits in widths:
            errors = {name: squared_error(tensors, f) for name, f in candidates(bits).items()}
            name = min(errors, key=errors.__getitem__)
            rms, relative = math.sqrt(errors[name] / count), math.sqrt(errors[name] / square)
            rows.append((family, bits, name, rms, relative))
    columns = ["family", "bits", "number_format", "rms_error", "relative_rms_error"]
    return pd.DataFrame(rows, columns=columns)


def weights_of(path: Path, pattern: str) -> dict[str, NDArray[np.floating]]:
    """Float tensors of two or more axes in a safetensors file whose name holds `pattern`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: no readable safetensors file ({error})") from error
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if tensor.dtype.kind == "f" and tensor.ndim >= 2 and pattern in name
    }
    if not kept:
        raise InputError(f"{path}: holds no float matrix whose name contains {pattern!r}")
    return kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status; writes the table of the matrices in a safetensors file to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m edgesim.numerics.rms_error", description=__doc__
    )
    parser.add_argument("weights", type=Path, help="safetensors file of float weights")
    parser.add_argument("--only", default="", help="keep tensors whose name contains this")
    chosen = parser.parse_args(arguments)
    try:
        table = rms_error_table(weights_of(chosen.weights, chosen.only))
    except EdgesimError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    table.to_csv(sys.stdout, index=False, float_format="%.6g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
