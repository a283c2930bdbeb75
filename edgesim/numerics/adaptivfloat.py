"""AdaptivFloat<n,e>: the paper's Algorithm 1 (Tambe et al., DAC 2020), with its corner cases fixed.

One sign bit, `e` exponent bits, m = n - e - 1 mantissa bits and one exponent bias per tensor, row
or vector. No denormals, infinities or NaN. Exponent and mantissa fields all zero mean zero, which
takes the place of the smallest magnitude. Choices where the paper is silent:

- a mantissa half-way between two codes goes to the even one (as `numpy.rint`, `torch.round`);
- a magnitude of exactly half the smallest value rounds up to it;
- a mantissa that rounds up to 2 carries into the exponent; past the top binade the value clamps;
- a tensor of zeros takes the bias of a tensor whose maximum is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import adaptivfloat_rows, protocol

Bias = int | NDArray[np.int64]


@dataclass(frozen=True)
class AdaptivFloat(protocol.Plain):
    """The format AdaptivFloat<bits, exponent_bits>; the exponent bias belongs to the tensor."""

    bits: int
    exponent_bits: int
    bias_range: tuple[int, int] | None = field(default=None, kw_only=True)
    """Exponent biases that the bias register holds; `bias_for` clamps to them. None: any."""
    parameter_bits: int = field(default=4, kw_only=True)
    """Width of the stored exponent bias (the paper's register has 4 bits)."""

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16 or not 1 <= self.exponent_bits <= min(5, self.bits - 1):
            raise InputError(
                f"AdaptivFloat<{self.bits},{self.exponent_bits}>: bits must be 2 to 16 and "
                f"exponent bits 1 to min(5, bits - 1)"
            )

    @property
    def name(self) -> str:
        """The name that traces and recipes use, such as `adaptivfloat<8,3>`."""
        return f"adaptivfloat<{self.bits},{self.exponent_bits}>"

    @property
    def mantissa_bits(self) -> int:
        """Mantissa bits m = n - e - 1."""
        return self.bits - self.exponent_bits - 1

    def bias_for(self, x: ArrayLike) -> int:
        """Exponent bias that puts the largest magnitude of `x` into the top binade.

        exp_bias = floor(log2 max|x|) - (2^e - 1), Algorithm 1 line 3, clamped to `bias_range`.
        NaN or infinity raise InputError.
        """
        return int(self.parameter_for(x))

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Bias:
        """`bias_for` of the whole array as an int, or along an axis that is kept, as int64."""
        top = protocol.largest(protocol.real(x, self.name), axis)
        if not np.isfinite(top).all():
            raise InputError(f"{self.name}: the tensor holds NaN or infinite values")
        exponent = np.frexp(np.where(top == 0, 1.0, top))[1].astype(np.int64) - 1
        bias = exponent - (2**self.exponent_bits - 1)
        if self.bias_range is not None:
            bias = np.clip(bias, *self.bias_range)
        return int(bias) if axis is None else bias

    def _ranges(self, bias: Any) -> tuple[Any, Any]:
        m = self.mantissa_bits
        top = bias + (2**self.exponent_bits - 1)
        return np.ldexp(1 + 2.0**-m, bias), np.ldexp(2 - 2.0**-m, top)

    def _bias_or(self, values: NDArray[Any], bias: Bias | None) -> Bias:
        """The given bias, or that of `values`; InputError for NaN, which no code can hold."""
        if bias is None:
            return self.bias_for(values)
        if values.size and math.isnan(np.max(values)):
            raise InputError(f"{self.name}: the tensor holds NaN values")
        return self._checked_bias(bias, values.shape)

    def _checked_bias(self, bias: Bias, shape: tuple[int, ...]) -> Bias:
        """The bias as int or int64 array; InputError outside its register or float64's range."""
        given = np.asarray(bias)
        lowest, highest = self.bias_range or (-1100, 1024 - 2**self.exponent_bits)
        if given.dtype.kind not in "iu" or (
            given.size and (given.min() < lowest or given.max() > highest)
        ):
            raise InputError(
                f"{self.name}: exponent bias {bias}; allowed are whole numbers {lowest} … {highest}"
            )
        protocol.fits(given, shape, self.name)
        return given.astype(np.int64) if given.ndim else int(given)

    def quantize(self, x: ArrayLike, bias: Bias | None = None) -> NDArray[np.floating]:
        """The nearest representable values, same shape; float32 in gives float32 out.

        `bias` is one number or an array that broadcasts to `x`; at a given bias infinite values
        clamp to the largest, as all that are too large.
        """
        values = protocol.real(x, self.name)
        bias = self._bias_or(values, bias)
        rows = adaptivfloat_rows.rows_of(self, values, bias)
        if rows is not None:
            return adaptivfloat_rows.quantize(self, rows).reshape(values.shape)
        return self.quantize_reference(values, bias).astype(values.dtype)

    def quantize_reference(self, x: ArrayLike, bias: Bias) -> NDArray[np.float64]:
        """Algorithm 1 in plain numpy and float64: the twin of the kernel."""
        values = np.asarray(x, dtype=np.float64)
        smallest, largest = self._ranges(np.asarray(bias))
        magnitude = np.abs(values)
        fraction, exponent = np.frexp(magnitude)
        scale = 2.0**self.mantissa_bits
        rounded = np.ldexp(np.rint(fraction * 2 * scale) / scale, exponent - 1)
        rounded = np.where(magnitude >= largest, largest, rounded)
        below = np.where(magnitude >= smallest / 2, smallest, 0.0)
        rounded = np.where(magnitude < smallest, below, rounded)
        return np.copysign(rounded, values)

    def encode(self, x: ArrayLike, bias: Bias | None = None) -> protocol.Codes:
        """Codes 0 … 2^n - 1 of the nearest values: sign, exponent field, mantissa field.

        Zero of either sign becomes code 0. dtype is uint8 up to 8 bits, else uint16.
        """
        values = protocol.real(x, self.name)
        bias = self._bias_or(values, bias)
        rows = adaptivfloat_rows.rows_of(self, values, bias)
        if rows is not None:
            return adaptivfloat_rows.encode(self, rows).reshape(values.shape)
        return self.encode_reference(values, bias)

    def encode_reference(self, x: ArrayLike, bias: Bias) -> protocol.Codes:
        """`encode` in plain numpy and float64: the twin of the kernel."""
        m = self.mantissa_bits
        quantized = self.quantize_reference(x, bias)
        fraction, exponent = np.frexp(np.abs(quantized))
        mantissa = np.rint((fraction * 2 - 1) * 2**m).astype(np.int64)
        code = ((exponent.astype(np.int64) - 1 - bias) << m) | mantissa
        code |= np.signbit(quantized).astype(np.int64) << (self.bits - 1)
        code = np.where(quantized == 0, 0, code)
        return protocol.as_codes(code, self.bits)

    def decode(self, codes: ArrayLike, bias: Bias | None = None) -> NDArray[np.float64]:
        """Values of codes 0 … 2^n - 1, float64; a zero field pattern is 0 for either sign."""
        if bias is None:
            raise InputError(f"{self.name}: decode needs the exponent bias of the codes")
        code = protocol.checked_codes(codes, self.bits, self.name)
        bias = self._checked_bias(bias, code.shape)
        m = self.mantissa_bits
        fields = code & (2 ** (self.bits - 1) - 1)
        value = np.ldexp(1 + (fields & (2**m - 1)) / 2.0**m, (fields >> m) + bias)
        value = np.where(code >> (self.bits - 1) == 1, -value, value)
        return np.where(fields == 0, 0.0, value)

    def code_table(self, bias: Bias | None = None) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,)."""
        return self.decode(np.arange(2**self.bits), bias)


@dataclass(frozen=True)
class SiliconFloat(AdaptivFloat):
    """FP8 E4M3 or FP4 E3M0 of the 12 nm chip: AdaptivFloat fields with a 6-bit exponent bias.

    The chip's publications name exponent and mantissa widths, a per-tensor or per-vector exponent
    bias and its 6 bits; that zero takes the smallest magnitude and that there are no denormals is
    assumed from the same authors' AdaptivFloat. E3M0 holds powers of two only.
    """

    bias_range: tuple[int, int] | None = field(default=(-32, 31), kw_only=True)
    """Biases of a signed 6-bit register."""
    parameter_bits: int = field(default=6, kw_only=True)
    """Width of the stored exponent bias."""

    @property
    def name(self) -> str:
        """`fp8_e4m3` or `fp4_e3m0`."""
        return f"fp{self.bits}_e{self.exponent_bits}m{self.mantissa_bits}"
