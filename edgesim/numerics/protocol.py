"""What every number format offers, and the checks they share."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import kernels

Values = NDArray[np.floating]
Codes = NDArray[np.unsignedinteger]


class NumberFormat(Protocol):
    """A number format; its parameter (exponent bias, scale …) belongs to the tensor or group.

    A parameter is a number or an array that broadcasts to the values; for affine integers a pair
    (scale, zero point); None for formats without one. Zero of either sign is code 0 wherever the
    format has a zero, so that a bitmask of non-zero codes is one of non-zero values.
    """

    @property
    def name(self) -> str:
        """The name that `parse_format` reads back."""

    @property
    def bits(self) -> int:
        """Stored bits per element."""

    @property
    def parameter_bits(self) -> int:
        """Stored bits of one parameter."""

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """Parameter that fits the values: of the whole array, or along an axis that it keeps."""

    def encode(self, x: ArrayLike, parameter: Any = None, /) -> Codes:
        """Codes 0 … 2^bits - 1, same shape; without a parameter that of the whole array."""

    def decode(self, codes: ArrayLike, parameter: Any = None, /) -> NDArray[np.float64]:
        """Values of codes; a parameter is needed where the format has one."""

    def quantize(self, x: ArrayLike, parameter: Any = None, /) -> Values:
        """decode(encode(x)) in one step; float32 in gives float32 out."""

    def code_table(self, parameter: Any = None, /) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,); NaN where a code means no number."""

    def stored_bits(self, shape: tuple[int, ...]) -> int:
        """Bits of a dense tensor of this shape, parameters included."""


def real(x: ArrayLike, name: str) -> NDArray[Any]:
    """`x` as a float array; InputError for what holds no real numbers."""
    values = np.asarray(x)
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind not in "iubO":
        raise InputError(f"{name}: values of type {values.dtype}; allowed are real numbers")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: the values are no real numbers ({error})") from None


def finite(x: ArrayLike, name: str) -> NDArray[Any]:
    """`x` as a float array; InputError if it holds NaN or infinite values."""
    values = real(x, name)
    if values.size and not (np.isfinite(np.max(values)) and np.isfinite(np.min(values))):
        raise InputError(f"{name}: the tensor holds NaN or infinite values")
    return values


def largest(values: NDArray[Any], axis: int | None) -> NDArray[np.float64]:
    """max|x| over everything or along an axis that is kept; 0 where there is nothing."""
    if axis is None:
        ends = (np.max(values, initial=0.0), -np.min(values, initial=0.0))
        return np.asarray(np.maximum(*ends), dtype=np.float64)
    if axis in (-1, values.ndim - 1) and values.size and values.dtype in (np.float32, np.float64):
        rows = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
        out = np.empty(len(rows))
        kernels.row_largest(rows, out)
        return out.reshape(*values.shape[:-1], 1)
    top = np.max(np.abs(values), axis=axis, keepdims=True, initial=0.0)
    return np.asarray(top, dtype=np.float64)


def code_dtype(bits: int) -> type[np.unsignedinteger[Any]]:
    """The narrowest unsigned type that holds codes of this many bits."""
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def as_codes(patterns: NDArray[Any], bits: int) -> Codes:
    """Non-negative whole numbers in the narrowest unsigned type."""
    return np.asarray(patterns.astype(code_dtype(bits)))


def checked_codes(codes: ArrayLike, bits: int, name: str) -> NDArray[np.int64]:
    """Codes as int64; InputError unless all lie in 0 … 2^bits - 1."""
    array = np.asarray(codes)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"{name}: codes of type {array.dtype}; allowed are whole numbers")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= 2**bits):
        raise InputError(f"{name}: codes must lie in 0 … {2**bits - 1}")
    return array.astype(np.int64)


def as_given(result: NDArray[np.float64], values: NDArray[Any]) -> Values:
    """Rounded values in the type that came in; InputError where float32 cannot hold them."""
    if values.dtype == np.float64:
        return result
    with np.errstate(over="ignore"):
        narrow = result.astype(values.dtype)
    if result.size and not np.isfinite(narrow).all():
        raise InputError(
            f"a rounded value is beyond the range of {values.dtype}; give the tensor in float64"
        )
    return narrow


def fits(parameter: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    """InputError unless the parameter broadcasts to the shape of the tensor."""
    try:
        joint = np.broadcast_shapes(parameter.shape, shape)
    except ValueError:
        joint = ()
    if joint != shape:
        raise InputError(
            f"{name}: parameters of shape {parameter.shape} for a tensor of shape {shape}; allowed "
            "is one number or a shape that broadcasts to the tensor's"
        )


def rows_with(values: NDArray[Any], parameter: NDArray[Any]) -> NDArray[Any] | None:
    """The values as rows with one parameter each: all of them, or the last axis; None if neither.

    A parameter is one number, or an array with a last axis of 1 beside the values' other axes.
    """
    if values.dtype not in (np.float32, np.float64):
        return None
    if parameter.ndim and parameter.shape != (*values.shape[:-1], 1):
        return None
    length = values.shape[-1] if parameter.ndim else values.size
    return np.ascontiguousarray(values).reshape(parameter.size, length)


class Plain:
    """Shared by formats whose parameter, if any, is one per tensor: size of a stored tensor."""

    bits: int
    parameter_bits: int

    def stored_bits(self, shape: tuple[int, ...]) -> int:
        """Bits of a dense tensor of this shape with one parameter."""
        return self.bits * int(np.prod(shape, dtype=np.int64)) + self.parameter_bits
