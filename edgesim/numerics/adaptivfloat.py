"""AdaptivFloat<n,e>: the paper's Algorithm 1 (Tambe et al., DAC 2020), with its corner cases fixed.

One sign bit, `e` exponent bits, m = n - e - 1 mantissa bits and one exponent bias per tensor.
No denormals, infinities or NaN. Exponent and mantissa fields all zero mean zero, which takes the
place of the smallest magnitude. Choices where the paper is silent:

- a mantissa half-way between two codes goes to the even one (as `numpy.rint`, `torch.round`);
- a magnitude of exactly half the smallest value rounds up to it;
- a mantissa that rounds up to 2 carries into the exponent; past the top binade the value clamps;
- a tensor of zeros takes the bias of a tensor whose maximum is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import kernels


@dataclass(frozen=True)
class AdaptivFloat:
    """The format AdaptivFloat<bits, exponent_bits>; the exponent bias belongs to the tensor."""

    bits: int
    exponent_bits: int

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

        exp_bias = floor(log2 max|x|) - (2^e - 1), Algorithm 1 line 3. NaN or infinity raise
        InputError.
        """
        values = np.asarray(x)
        largest = float(np.max(np.abs(values))) if values.size else 0.0
        if not np.isfinite(largest):
            raise InputError("AdaptivFloat: the tensor holds NaN or infinite values")
        top = 0 if largest == 0.0 else math.frexp(largest)[1] - 1
        return top - int(2**self.exponent_bits - 1)

    def range_for(self, bias: int) -> tuple[float, float]:
        """Smallest and largest non-zero magnitude at an exponent bias."""
        m = self.mantissa_bits
        top = bias + 2**self.exponent_bits - 1
        return 2.0**bias * (1 + 2.0**-m), 2.0**top * (2 - 2.0**-m)

    def _bias_or(self, values: NDArray[Any], bias: int | None) -> int:
        """The given bias, or that of `values`; InputError for NaN, which no code can hold."""
        if bias is None:
            return self.bias_for(values)
        if np.isnan(values).any():
            raise InputError("AdaptivFloat: the tensor holds NaN values")
        return int(bias)

    def quantize(self, x: ArrayLike, bias: int | None = None) -> NDArray[np.floating]:
        """The nearest representable values, same shape; float32 in gives float32 out."""
        values = np.asarray(x)
        bias = self._bias_or(values, bias)
        smallest, largest = self.range_for(bias)
        if values.dtype == np.float32 and bias > -126:
            flat = np.ascontiguousarray(values).reshape(-1)
            out = np.empty_like(flat)
            kernels.adaptivfloat_quantize_f32(
                flat.view(np.int32), out.view(np.int32), flat, out,
                np.float32(smallest), np.float32(largest), 23 - self.mantissa_bits,
            )  # fmt: skip
            return out.reshape(values.shape)
        return self.quantize_reference(values, bias).astype(
            values.dtype if np.issubdtype(values.dtype, np.floating) else np.float64
        )

    def quantize_reference(self, x: ArrayLike, bias: int) -> NDArray[np.float64]:
        """Algorithm 1 in plain numpy and float64: the twin of the float32 kernel."""
        values = np.asarray(x, dtype=np.float64)
        smallest, largest = self.range_for(bias)
        magnitude = np.abs(values)
        fraction, exponent = np.frexp(magnitude)
        scale = 2.0**self.mantissa_bits
        rounded = np.ldexp(np.rint(fraction * 2 * scale) / scale, exponent - 1)
        rounded = np.where(magnitude >= largest, largest, rounded)
        below = np.where(magnitude >= smallest / 2, smallest, 0.0)
        rounded = np.where(magnitude < smallest, below, rounded)
        return np.copysign(rounded, values)

    def encode(self, x: ArrayLike, bias: int | None = None) -> NDArray[np.uint16]:
        """Codes 0 … 2^n - 1 of the nearest values: sign, exponent field, mantissa field.

        Zero of either sign becomes code 0. dtype is uint8 up to 8 bits, else uint16.
        """
        values = np.asarray(x, dtype=np.float64)
        bias = self._bias_or(values, bias)
        m = self.mantissa_bits
        quantized = self.quantize_reference(values, bias)
        fraction, exponent = np.frexp(np.abs(quantized))
        mantissa = np.rint((fraction * 2 - 1) * 2**m).astype(np.int64)
        code = ((exponent.astype(np.int64) - 1 - bias) << m) | mantissa
        code |= np.signbit(quantized).astype(np.int64) << (self.bits - 1)
        code = np.where(quantized == 0, 0, code)
        return code.astype(np.uint8 if self.bits <= 8 else np.uint16)

    def decode(self, codes: ArrayLike, bias: int) -> NDArray[np.float64]:
        """Values of codes 0 … 2^n - 1, float64; a zero field pattern is 0 for either sign."""
        code = np.asarray(codes).astype(np.int64)
        if code.size and (code.min() < 0 or code.max() >= 2**self.bits):
            raise InputError(f"{self.name}: codes must lie in 0 … {2**self.bits - 1}")
        m = self.mantissa_bits
        field = code & (2 ** (self.bits - 1) - 1)
        value = np.ldexp(1 + (field & (2**m - 1)) / 2.0**m, (field >> m) + bias)
        value = np.where(code >> (self.bits - 1) == 1, -value, value)
        return np.where(field == 0, 0.0, value)

    def code_table(self, bias: int) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,)."""
        return self.decode(np.arange(2**self.bits), bias)
