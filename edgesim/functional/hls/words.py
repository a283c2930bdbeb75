"""Machine words of the released datapath: checks of what comes in, two's complement wrapping."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError

Integers = NDArray[np.int64]

VECTOR_SIZE = 16
"""Lanes of the array that the source builds by default; also the length of an SFU vector."""
NUM_FRACTION_BITS = 10
"""Fraction bits of the special function unit's 16-bit words, Q6.10."""
MOST_VECTORS = 255
"""Vectors per row that the 8-bit register `num_vector` can name."""
WORD_MAX = 32767
"""Clip constant of the accumulator write-back; the lower one is its negative."""


def wrap(values: ArrayLike, num_bits: int) -> Integers:
    """The values cut to `num_bits` and read as two's complement, int64."""
    half = 1 << (num_bits - 1)
    return ((np.asarray(values, dtype=np.int64) + half) & (2 * half - 1)) - half


def divide(dividend: Integers, divisor: ArrayLike) -> Integers:
    """Integer quotient truncated toward zero, as C divides; 0 where the divisor is 0."""
    bottom = np.asarray(divisor, dtype=np.int64)
    safe = np.where(bottom == 0, 1, bottom)
    quotient = np.sign(dividend) * np.sign(safe) * (np.abs(dividend) // np.abs(safe))
    return np.where(bottom == 0, 0, quotient)


def integers(values: ArrayLike, what: str, lowest: int, highest: int) -> Integers:
    """`values` as int64; InputError unless they are whole numbers in lowest … highest."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(
            f"{what}: got values of type {array.dtype}; allowed are whole numbers "
            f"{lowest} … {highest}, convert them first"
        )
    if array.size and (array.min() < lowest or array.max() > highest):
        raise InputError(f"{what}: got {array.min()} … {array.max()}; allowed {lowest} … {highest}")
    return array.astype(np.int64)


def codes(values: ArrayLike, what: str) -> Integers:
    """AdaptivFloat<8,3> codes 0 … 255 as int64."""
    return integers(values, f"{what} (codes)", 0, 255)


def biases(values: ArrayLike, what: str = "bias") -> Integers:
    """Contents 0 … 7 of a 3-bit exponent bias register, a number or an array of them."""
    return integers(values, what, 0, 7)


def words(values: ArrayLike, what: str) -> Integers:
    """16-bit patterns, given as signed or unsigned numbers, read as int16."""
    return wrap(integers(values, what, -32768, 65535), 16)


def whole_number(value: int, what: str, lowest: int, highest: int) -> int:
    """One register content in lowest … highest."""
    array = integers(value, what, lowest, highest)
    if array.ndim:
        raise InputError(f"{what}: got an array of shape {array.shape}; allowed is one number")
    return int(array)


def same_shape(*named: tuple[str, NDArray[Any]]) -> None:
    """InputError unless all shapes can be broadcast to each other."""
    try:
        np.broadcast_shapes(*(array.shape for _, array in named))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in named)
        raise InputError(f"shapes do not fit together: {shapes}") from None


def row_biases(values: ArrayLike, rows: Integers, what: str) -> Integers:
    """Biases as a column beside rows (…, length): one for all, or one per row."""
    array = biases(values, what)
    same_shape((what, array), ("rows", rows[..., 0]))
    return array[..., np.newaxis]


def vectors(rows: Integers, vector_size: int, what: str) -> Integers:
    """Rows (…, length) cut into vectors (…, num_vectors, vector_size), the last one zero-padded."""
    if rows.ndim == 0 or rows.shape[-1] == 0:
        raise InputError(f"{what}: got shape {rows.shape}; allowed are rows of at least one code")
    if vector_size not in (2, 4, 8, 16, 32, 64):
        raise InputError(
            f"vector_size: got {vector_size}; allowed are the powers of two from 2 to 64"
        )
    num_vectors = -(-rows.shape[-1] // vector_size)
    if num_vectors > MOST_VECTORS:
        raise InputError(
            f"{what}: rows of {rows.shape[-1]} codes are {num_vectors} vectors of {vector_size}; "
            f"the 8-bit register holds at most {MOST_VECTORS}, cut the rows"
        )
    missing = num_vectors * vector_size - rows.shape[-1]
    padded = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])
    return padded.reshape(*rows.shape[:-1], num_vectors, vector_size)
