"""Floating point with a fixed bias and denormals: IEEE types, OCP's 8- and 4-bit ones, float<n,e>.

Rounding is to nearest, ties to the even code; values past the largest clamp to it (IEEE would give
infinity, OCP NaN), and no infinity or NaN is ever written. Zero of either sign is code 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import lookup, protocol


@dataclass(frozen=True)
class FloatFormat(protocol.Plain):
    """Sign, exponent and mantissa fields with a fixed exponent bias; field 0 holds denormals."""

    name: str
    bits: int
    exponent_bits: int
    exponent_bias: int
    num_reserved: int
    """Codes at the top of each sign that mean infinity or NaN; decoding one is an error."""
    parameter_bits = 0

    @property
    def mantissa_bits(self) -> int:
        """Mantissa bits, the leading one not counted."""
        return self.bits - self.exponent_bits - 1

    @property
    def largest_code(self) -> int:
        """The positive code of the largest value."""
        return int(2 ** (self.bits - 1)) - 1 - self.num_reserved

    @property
    def largest(self) -> float:
        """The largest value."""
        return float(self._magnitudes(np.array([self.largest_code]))[0])

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> None:
        """None: the bias is part of the format."""

    def _rounded(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Nearest magnitudes: whole multiples of the step of each value's binade."""
        magnitude = np.minimum(np.abs(values.astype(np.float64)), self.largest)
        exponent = np.frexp(magnitude)[1] - 1
        step = np.maximum(exponent, 1 - self.exponent_bias) - self.mantissa_bits
        return np.asarray(np.ldexp(np.rint(np.ldexp(magnitude, -step)), step))

    def quantize(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """The nearest representable values, same shape; float32 in gives float32 out."""
        values = protocol.finite(x, self.name)
        if lookup.applies(values, self.mantissa_bits + 1):
            return lookup.look_up(values, self.mantissa_bits + 1, self.quantize_reference)
        return self.quantize_reference(values)

    def quantize_reference(self, values: NDArray[Any]) -> protocol.Values:
        """`quantize` value by value: the twin of the look-up."""
        return protocol.as_given(np.copysign(self._rounded(values), values), values)

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """Codes of the nearest values: sign, exponent field, mantissa field."""
        values = protocol.finite(x, self.name)
        if lookup.applies(values, self.mantissa_bits + 1):
            return lookup.look_up(values, self.mantissa_bits + 1, self.encode_reference)
        return self.encode_reference(values)

    def encode_reference(self, values: NDArray[Any]) -> protocol.Codes:
        """`encode` value by value: the twin of the look-up."""
        magnitude = self._rounded(values)
        fraction, exponent = np.frexp(magnitude)
        m, lowest = self.mantissa_bits, 1 - self.exponent_bias
        denormal = exponent - 1 < lowest
        normal = (exponent - lowest).astype(np.int64) << m
        normal += np.rint(np.ldexp(fraction * 2 - 1, m)).astype(np.int64)
        small = np.rint(np.ldexp(np.where(denormal, magnitude, 0), m - lowest)).astype(np.int64)
        code = np.where(denormal, small, normal)
        code |= (values < 0).astype(np.int64) << (self.bits - 1)
        return protocol.as_codes(np.where(magnitude == 0, 0, code), self.bits)

    def _magnitudes(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        m = self.mantissa_bits
        exponent = fields >> m
        significand = (fields & (2**m - 1)) + np.where(exponent == 0, 0, 2**m)
        power = np.maximum(exponent, 1) - self.exponent_bias - m
        return np.asarray(np.ldexp(significand.astype(np.float64), power))

    def decode(self, codes: ArrayLike, parameter: Any = None) -> NDArray[np.float64]:
        """Values of codes, float64; InputError for codes that mean infinity or NaN."""
        code = protocol.checked_codes(codes, self.bits, self.name)
        fields = code & (2 ** (self.bits - 1) - 1)
        if fields.size and int(fields.max()) > self.largest_code:
            raise InputError(f"{self.name}: a code means infinity or NaN, no number")
        value = self._magnitudes(fields)
        return np.where((code >> (self.bits - 1) == 1) & (fields != 0), -value, value)

    def code_table(self, parameter: Any = None) -> NDArray[np.float64]:
        """The value of every code up to 16 bits, shape (2^bits,); NaN for infinity and NaN."""
        if self.bits > 16:
            raise InputError(f"{self.name}: a table of 2^{self.bits} codes is too large")
        codes = np.arange(2**self.bits)
        usable = (codes & (2 ** (self.bits - 1) - 1)) <= self.largest_code
        return np.where(usable, self.decode(np.where(usable, codes, 0)), np.nan)


def ieee(name: str, bits: int, exponent_bits: int) -> FloatFormat:
    """A type of IEEE 754's form: the top exponent field is kept for infinity and NaN."""
    bias = int(2 ** (exponent_bits - 1)) - 1
    return FloatFormat(name, bits, exponent_bits, bias, int(2 ** (bits - exponent_bits - 1)))


def small_float(bits: int, exponent_bits: int) -> FloatFormat:
    """float<n,e>: IEEE bias and denormals, every code a number (as in the paper's comparisons)."""
    if not 2 <= bits <= 16 or not 1 <= exponent_bits <= min(8, bits - 1):
        raise InputError(
            f"float<{bits},{exponent_bits}>: bits must be 2 to 16 and exponent bits 1 to "
            "min(8, bits - 1)"
        )
    bias = int(2 ** (exponent_bits - 1)) - 1
    return FloatFormat(f"float<{bits},{exponent_bits}>", bits, exponent_bits, bias, 0)


def standard_floats() -> dict[str, FloatFormat]:
    """The named types: IEEE 754, bfloat16, and OCP's 8- and 4-bit types (MX specification 1.0)."""
    formats = (
        ieee("float32", 32, 8),
        ieee("float16", 16, 5),
        ieee("bfloat16", 16, 8),
        ieee("float8_e5m2", 8, 5),
        FloatFormat("float8_e4m3fn", 8, 4, 7, 1),
        FloatFormat("float4_e2m1fn", 4, 2, 1, 0),
    )
    return {number_format.name: number_format for number_format in formats}
