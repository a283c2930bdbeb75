"""Operand formats of the array: codes as whole numbers in a unit, and sums rounded to codes.

A code means integer · unit. AdaptivFloat<n,e>: (2^m + mantissa)·2^exponent, unit 2^(bias - m).
INT<n>: two's complement, unit a scale of `scale_bits` significant bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.functional.chip.profile import SIGN_LOST, Profile
from edgesim.numerics import AdaptivFloat, Integer, parse_format

Codes = NDArray[np.unsignedinteger]
Whole = NDArray[np.float64]
MOST_BITS = 8
"""Widest code: tables of all codes stay small, and sums stay exact."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """Codes with what rounding could not hold."""

    codes: Codes
    num_clamped: int
    """Values beyond the largest magnitude."""


class Operands(Protocol):
    """One operand format with the chip's registers."""

    @property
    def largest_integer(self) -> float:
        """Largest magnitude of an operand."""

    def parameter_for(self, largest: float) -> float:
        """Exponent bias or scale of a tensor whose largest magnitude is given, as registers hold
        it."""

    def is_clamped(self, largest: float) -> bool:
        """Whether the register cannot hold the parameter that fits."""

    def unit(self, parameter: float) -> float:
        """What the integer 1 means."""

    def integers(self, codes: Codes) -> Whole:
        """Codes as the multipliers see them."""

    def words(self, parameter: float, fraction_bits: int, highest: int) -> Whole:
        """Of every code, the nearest whole multiple of 2^-fraction_bits within ± highest."""

    def round(self, sums: Whole, factor: float, parameter: float) -> Rounded:
        """Codes of sums · factor."""

    def encode(self, values: ArrayLike, parameter: float) -> Rounded:
        """Codes of values."""


def significant(value: float, bits: int) -> float:
    """A number rounded to so many significant bits, ties to even."""
    fraction, exponent = math.frexp(value)
    return math.ldexp(float(np.rint(math.ldexp(fraction, bits))), exponent - bits)


def operands_of(profile: Profile) -> Operands:
    """The operand format of a profile; InputError for one that the array cannot multiply."""
    number_format = parse_format(profile.number_format)
    bits, bias = profile.spec.scale_bits, profile.spec.exponent_bias
    if number_format.bits <= MOST_BITS:
        if type(number_format) is AdaptivFloat:
            registers = AdaptivFloat(
                number_format.bits, number_format.exponent_bits, bias_range=bias
            )
            return FloatOperands(registers, bits, SIGN_LOST in profile.defects)
        if isinstance(number_format, Integer):
            return IntegerOperands(number_format.bits, bits)
    raise InputError(
        f"pu.number_format: the values of {profile.number_format} are not modelled; allowed are "
        f"adaptivfloat<n,e> and int<n> of at most {MOST_BITS} bits, or --arithmetic float32"
    )


@dataclass(frozen=True, eq=False)
class FloatOperands:
    """AdaptivFloat codes with an exponent bias register per tensor."""

    number_format: AdaptivFloat
    scale_bits: int
    loses_sign: bool

    def parameter_for(self, largest: float) -> float:
        """The exponent bias, clamped to the register."""
        return self.number_format.bias_for(largest)

    def is_clamped(self, largest: float) -> bool:
        """Whether Algorithm 1 wants a bias outside the register."""
        free = AdaptivFloat(self.number_format.bits, self.number_format.exponent_bits)
        return free.bias_for(largest) != self.parameter_for(largest)

    def unit(self, parameter: float) -> float:
        """2^(bias - m)."""
        return math.ldexp(1.0, int(parameter) - self.number_format.mantissa_bits)

    def integers(self, codes: Codes) -> Whole:
        """Sign · (2^m + mantissa) · 2^exponent field, 0 for the zero codes."""
        return np.take(self._integers, codes)

    @cached_property
    def _integers(self) -> Whole:
        plain = AdaptivFloat(self.number_format.bits, self.number_format.exponent_bits)
        return plain.code_table(plain.mantissa_bits)

    @property
    def largest_integer(self) -> float:
        """(2^(m+1) - 1) · 2^(2^e - 1): 3,968 for AdaptivFloat<8,3>."""
        return float(self._integers.max())

    def words(self, parameter: float, fraction_bits: int, highest: int) -> Whole:
        """Of every code, the nearest word."""
        table = self.number_format.code_table(int(parameter))
        return np.clip(np.rint(np.ldexp(table, fraction_bits)), -highest, highest)

    def round(self, sums: Whole, factor: float, parameter: float) -> Rounded:
        """Algorithm 1 on sums · factor, the factor cut to `scale_bits` significant bits.

        The product is exact in float64 for sums of 53 - scale_bits bits (37 at 16), and for any
        sum where the factor is a power of two.
        """
        return self.encode(sums * significant(factor, self.scale_bits), parameter)

    def encode(self, values: ArrayLike, parameter: float) -> Rounded:
        """Algorithm 1 at the given bias; with the defect, negative overflow becomes +maximum."""
        array = np.asarray(values)
        bias = int(parameter)
        codes = self.number_format.encode(array, bias)
        top = bias + 2**self.number_format.exponent_bits - 1
        half_step = math.ldexp(1.0, top - self.number_format.mantissa_bits - 1)
        border = math.ldexp(1.0, top + 1) - half_step
        ends = (float(array.max(initial=0.0)), float(array.min(initial=0.0)))
        if max(ends[0], -ends[1]) < border:
            return Rounded(codes, 0)
        clamped = np.abs(array) >= border
        if self.loses_sign:
            plus = (1 << (self.number_format.bits - 1)) - 1
            codes = np.where(clamped & (array < 0), plus, codes).astype(codes.dtype)
        return Rounded(codes, int(clamped.sum()))


@dataclass(frozen=True, eq=False)
class IntegerOperands:
    """Symmetric integers, -(2^(n-1) - 1) … 2^(n-1) - 1, with a scale per tensor."""

    bits: int
    scale_bits: int

    @property
    def highest(self) -> int:
        """Largest integer."""
        return (1 << (self.bits - 1)) - 1

    def parameter_for(self, largest: float) -> float:
        """largest / highest, with the significant bits of the scale register."""
        if not math.isfinite(largest):
            raise InputError(f"int{self.bits}: the tensor holds NaN or infinite values")
        return significant(largest / self.highest if largest else 1.0, self.scale_bits)

    def is_clamped(self, largest: float) -> bool:
        """Never: a scale has an exponent of its own."""
        return False

    def unit(self, parameter: float) -> float:
        """The scale."""
        return parameter

    def integers(self, codes: Codes) -> Whole:
        """Two's complement."""
        return np.take(self._integers, codes)

    @cached_property
    def _integers(self) -> Whole:
        table = np.arange(2**self.bits, dtype=np.float64)
        table[2 ** (self.bits - 1) :] -= 2**self.bits
        return table

    @property
    def largest_integer(self) -> float:
        """2^(n-1), of the code that rounding never gives."""
        return 2.0 ** (self.bits - 1)

    def words(self, parameter: float, fraction_bits: int, highest: int) -> Whole:
        """Of every code, the nearest word."""
        table = self.integers(np.arange(2**self.bits, dtype=np.uint8))
        return np.clip(np.rint(table * math.ldexp(parameter, fraction_bits)), -highest, highest)

    def round(self, sums: Whole, factor: float, parameter: float) -> Rounded:
        """Sums times the constant factor / scale of `scale_bits`, to the nearest integer."""
        levels = np.rint(sums * significant(factor / parameter, self.scale_bits))
        num_clamped = int((np.abs(levels) > self.highest).sum())
        levels = np.clip(levels, -self.highest, self.highest).astype(np.int64)
        return Rounded((levels & (2**self.bits - 1)).astype(np.uint8), num_clamped)

    def encode(self, values: ArrayLike, parameter: float) -> Rounded:
        """The nearest integers of values / scale; InputError for NaN."""
        array = np.asarray(values, dtype=np.float64)
        if np.isnan(array).any():
            raise InputError(f"int{self.bits}: the tensor holds NaN")
        levels = np.rint(array / parameter)
        num_clamped = int((np.abs(levels) > self.highest).sum())
        levels = np.clip(levels, -self.highest, self.highest).astype(np.int64)
        return Rounded((levels & (2**self.bits - 1)).astype(np.uint8), num_clamped)
