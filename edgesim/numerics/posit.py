"""posit<n,es> by the Posit Standard's rounding (2022), for any es; no quire.

A posit rounds as a bit string: the border between two codes is the posit of n + 1 bits between
them, which is their arithmetic mean wherever a fraction bit is left. Ties go to the even code. A
non-zero value never becomes 0 and nothing becomes NaR: magnitudes clamp to [minpos, maxpos].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import lookup, protocol


def positive_values(bits: int, exponent_size: int) -> NDArray[np.float64]:
    """Values of codes 0 … 2^(bits-1) - 1, float64: zero, then rising from minpos to maxpos."""
    width = bits - 1
    code = np.arange(1, 2**width, dtype=np.int64)
    ones = code >> (width - 1) == 1
    run_flipped = np.where(ones, ~code & (2**width - 1), code)
    run = width - np.frexp(run_flipped.astype(np.float64))[1].astype(np.int64)
    regime = np.where(ones, run - 1, -run)
    rest_bits = np.maximum(width - run - 1, 0)
    exponent_bits = np.minimum(exponent_size, rest_bits)
    fraction_bits = rest_bits - exponent_bits
    exponent = (code & ((1 << rest_bits) - 1)) >> fraction_bits << (exponent_size - exponent_bits)
    fraction = code & ((1 << fraction_bits) - 1)
    value = np.ldexp(
        1 + np.ldexp(fraction.astype(np.float64), -fraction_bits),
        regime * 2**exponent_size + exponent,
    )
    return np.concatenate([[0.0], value])


@dataclass(frozen=True)
class Posit(protocol.Plain):
    """posit<bits, exponent_size>; codes are two's complement, 2^(bits-1) is NaR."""

    bits: int
    exponent_size: int
    parameter_bits = 0

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16 or not 0 <= self.exponent_size <= 3:
            raise InputError(
                f"posit<{self.bits},{self.exponent_size}>: bits must be 2 to 16, es 0 to 3"
            )

    @property
    def name(self) -> str:
        """Such as `posit<8,1>`."""
        return f"posit<{self.bits},{self.exponent_size}>"

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> None:
        """None: posits have no parameter."""

    @property
    def _border_bits(self) -> int:
        """Most mantissa bits of a border between two codes, a posit of one more bit."""
        return max(self.bits - 2 - self.exponent_size, 0)

    def _magnitude_codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        borders = positive_values(self.bits + 1, self.exponent_size)[3:-1:2]
        magnitude = np.abs(values.astype(np.float64))
        below = np.searchsorted(borders, magnitude, side="left")
        code = below + 1  # borders[i] lies between codes i + 1 and i + 2
        next_border = np.append(borders, np.inf)[below]
        code += (magnitude == next_border) & (code % 2 == 1)
        return np.where(magnitude == 0, 0, code)

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """Codes of the rounded values; negative ones are two's complements."""
        values = protocol.finite(x, self.name)
        if lookup.applies(values, self._border_bits):
            return lookup.look_up(values, self._border_bits, self.encode_reference)
        return self.encode_reference(values)

    def encode_reference(self, values: NDArray[Any]) -> protocol.Codes:
        """`encode` by bisection: the twin of the look-up."""
        code = self._magnitude_codes(values)
        code = np.where(values < 0, -code, code) & (2**self.bits - 1)
        return protocol.as_codes(code, self.bits)

    def quantize(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """The rounded values, same shape; float32 in gives float32 out."""
        values = protocol.finite(x, self.name)
        if lookup.applies(values, self._border_bits):
            return lookup.look_up(values, self._border_bits, self.quantize_reference)
        return self.quantize_reference(values)

    def quantize_reference(self, values: NDArray[Any]) -> protocol.Values:
        """`quantize` by bisection: the twin of the look-up."""
        table = positive_values(self.bits, self.exponent_size)
        rounded = np.take(table, self._magnitude_codes(values))
        return protocol.as_given(np.copysign(rounded, values), values)

    def decode(self, codes: ArrayLike, parameter: Any = None) -> NDArray[np.float64]:
        """Values of codes, float64; NaR raises InputError."""
        code = protocol.checked_codes(codes, self.bits, self.name)
        value = np.take(self.code_table(), code)
        if np.isnan(value).any():
            raise InputError(f"{self.name}: code {2 ** (self.bits - 1)} is NaR, no number")
        return np.asarray(value)

    def code_table(self, parameter: Any = None) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,); NaN for NaR."""
        positive = positive_values(self.bits, self.exponent_size)
        return np.concatenate([positive, [np.nan], -positive[:0:-1]])
