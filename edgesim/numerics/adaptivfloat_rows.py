"""The fast way through AdaptivFloat: rows of bit patterns for the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgesim.numerics import kernels, protocol


class _Fields(Protocol):
    """What the kernels need to know of a format."""

    @property
    def bits(self) -> int:
        """Stored bits."""

    @property
    def exponent_bits(self) -> int:
        """Exponent bits."""

    @property
    def mantissa_bits(self) -> int:
        """Mantissa bits."""


@dataclass(frozen=True)
class Rows:
    """Values as rows with one exponent bias each."""

    values: NDArray[Any]
    """float32 or float64, (rows, length), contiguous."""
    biases: NDArray[np.int64]
    """(rows,)."""


def rows_of(fields: _Fields, values: NDArray[Any], bias: int | NDArray[np.int64]) -> Rows | None:
    """The values as rows, or None where the kernels do not apply.

    They apply to float32 and float64 with one bias for all or one per last axis, as long as half
    the smallest and the largest value are normal numbers of the type.
    """
    if values.dtype not in (np.float32, np.float64) or values.size == 0:
        return None
    biases = np.asarray(bias, dtype=np.int64)
    if biases.ndim and biases.shape != (*values.shape[:-1], 1):
        return None
    information = np.finfo(values.dtype)
    top = int(biases.max()) + 2**fields.exponent_bits
    if int(biases.min()) - 1 < information.minexp or top > information.maxexp:
        return None
    length = values.shape[-1] if biases.ndim else values.size
    return Rows(np.ascontiguousarray(values).reshape(-1, length), biases.reshape(-1))


def _integer(rows: Rows) -> type[np.signedinteger[Any]]:
    return np.int32 if rows.values.dtype == np.float32 else np.int64


def _arguments(fields: _Fields, rows: Rows) -> tuple[Any, ...]:
    """What both kernels take after the arrays, in the type of the patterns."""
    integer, information = _integer(rows), np.finfo(rows.values.dtype)
    fraction, m = information.nmant, fields.mantissa_bits
    bases = (rows.biases + (1 - information.minexp)) << fraction
    scalars = (2**fields.exponent_bits, np.iinfo(integer).max, fraction - m, fraction, m == 0)
    return (bases.astype(integer), *(integer(scalar) for scalar in scalars))


def quantize(fields: _Fields, rows: Rows) -> NDArray[Any]:
    """Rounded rows, in the type of the values."""
    patterns = rows.values.view(_integer(rows))
    out = np.empty_like(patterns)
    kernels.adaptivfloat_quantize(patterns, out, *_arguments(fields, rows))
    return out.view(rows.values.dtype)


def encode(fields: _Fields, rows: Rows) -> protocol.Codes:
    """Codes of the rows."""
    integer = _integer(rows)
    out = np.empty(rows.values.shape, dtype=protocol.code_dtype(fields.bits))
    sign = integer(2 ** (fields.bits - 1))
    patterns = rows.values.view(integer)
    kernels.adaptivfloat_encode(patterns, out, *_arguments(fields, rows), sign)
    return out
