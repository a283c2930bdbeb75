"""Formats whose values are whole numbers times a scale: fixed point, INT, block floating point.

Codes are two's complement patterns (affine integers: unsigned), values level·scale. A value half
way between two levels goes to the even one; values past the ends clamp to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import kernels, protocol

FLOAT32_BITS = 32
_LARGEST_KERNEL_SCALE = 2.0**100
"""Above it a level may not fit float32; the reference checks that."""


def _checked_bits(bits: int, name: str, lowest: int = 2) -> None:
    if not lowest <= bits <= 16:
        raise InputError(f"{name}: got {bits} bits; allowed {lowest} to 16")


class _Levels(protocol.Plain):
    """Rounding to levels lowest … highest of a scale; subclasses give the scale."""

    @property
    def name(self) -> str:
        raise NotImplementedError

    def _range(self) -> tuple[int, int]:
        raise NotImplementedError

    def _scale(self, parameter: Any) -> NDArray[np.float64]:
        raise NotImplementedError

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        raise NotImplementedError

    def _scale_or(self, values: NDArray[Any], parameter: Any) -> NDArray[np.float64]:
        scale = self._scale(self.parameter_for(values) if parameter is None else parameter)
        protocol.fits(scale, values.shape, self.name)
        return scale

    def _kernel(
        self, values: NDArray[Any], parameter: Any
    ) -> tuple[NDArray[Any], tuple[Any, ...]] | None:
        """Values as rows and what the kernels take after the arrays; None where they do not fit."""
        scale = self._scale_or(values, parameter)
        rows = protocol.rows_with(values, scale) if values.size else None
        if rows is None:
            return None
        lowest, highest = self._range()
        flat = scale.reshape(-1)
        return rows, (flat, np.zeros_like(flat), float(lowest), float(highest))

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """Two's complement codes of the nearest levels, as unsigned patterns."""
        values = protocol.finite(x, self.name)
        kernel = self._kernel(values, parameter)
        if kernel is None:
            return self.encode_reference(values, parameter)
        out = np.empty(kernel[0].shape, dtype=protocol.code_dtype(self.bits))
        kernels.scaled_encode(kernel[0], out, *kernel[1], 2**self.bits - 1)
        return out.reshape(values.shape)

    def encode_reference(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """`encode` in plain numpy: the twin of the kernel."""
        values = protocol.finite(x, self.name)
        levels = np.rint(values.astype(np.float64) / self._scale_or(values, parameter))
        patterns = np.clip(levels, *self._range()).astype(np.int64) & (2**self.bits - 1)
        return protocol.as_codes(patterns, self.bits)

    def decode(self, codes: ArrayLike, parameter: Any = None) -> NDArray[np.float64]:
        """Values of codes, float64."""
        code = protocol.checked_codes(codes, self.bits, self.name)
        scale = self._scale(parameter)
        protocol.fits(scale, code.shape, self.name)
        half = 2 ** (self.bits - 1)
        return np.asarray((((code + half) & (2 * half - 1)) - half) * scale)

    def quantize(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """The nearest representable values, same shape; float32 in gives float32 out."""
        values = protocol.finite(x, self.name)
        chosen = self.parameter_for(values) if parameter is None else parameter
        kernel = self._kernel(values, chosen)
        if kernel is None or np.max(kernel[1][0]) > _LARGEST_KERNEL_SCALE:
            return self.quantize_reference(values, chosen)
        out = np.empty_like(kernel[0])
        kernels.scaled_quantize(kernel[0], out, *kernel[1])
        return out.reshape(values.shape)

    def quantize_reference(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """`quantize` in plain numpy: the twin of the kernel."""
        values = protocol.finite(x, self.name)
        chosen = self.parameter_for(values) if parameter is None else parameter
        codes = self.encode_reference(values, chosen)
        return protocol.as_given(self.decode(codes, chosen), values)

    def code_table(self, parameter: Any = None) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,)."""
        return self.decode(np.arange(2**self.bits), parameter)


@dataclass(frozen=True)
class FixedPoint(_Levels):
    """Signed fixed point: `bits` in all, `fraction_bits` of them behind the point (any sign)."""

    bits: int
    fraction_bits: int
    parameter_bits = 0

    def __post_init__(self) -> None:
        _checked_bits(self.bits, "fixed point")
        if not -64 <= self.fraction_bits <= 64:
            raise InputError(f"fixed point: got {self.fraction_bits} fraction bits; allowed ±64")

    @classmethod
    def fitting(cls, bits: int, x: ArrayLike) -> FixedPoint:
        """The format of this width with the most fraction bits that still holds max|x|."""
        top = float(protocol.largest(protocol.finite(x, "fixed point"), None))
        integer_bits = int(np.frexp(top)[1])
        return cls(bits, min(64, max(-64, bits - 1 - integer_bits)))

    @property
    def name(self) -> str:
        """Such as `fixed<8,6>`."""
        return f"fixed<{self.bits},{self.fraction_bits}>"

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> None:
        """None: the point is part of the format."""

    def _range(self) -> tuple[int, int]:
        return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1

    def _scale(self, parameter: Any) -> NDArray[np.float64]:
        return np.asarray(2.0**-self.fraction_bits)


@dataclass(frozen=True)
class Integer(_Levels):
    """Symmetric INT: levels ±(2^(bits-1) - 1), scale max|x| / (2^(bits-1) - 1), or 1 for zeros.

    The most negative code is never written; it decodes to its level.
    """

    bits: int
    parameter_bits = FLOAT32_BITS

    def __post_init__(self) -> None:
        _checked_bits(self.bits, "int")

    @property
    def name(self) -> str:
        """Such as `int8`."""
        return f"int{self.bits}"

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """The scale."""
        top = protocol.largest(protocol.finite(x, self.name), axis)
        scale = top / self._range()[1]
        scale = np.where(scale == 0, 1.0, scale)
        return float(scale) if axis is None else scale

    def _range(self) -> tuple[int, int]:
        return 1 - 2 ** (self.bits - 1), 2 ** (self.bits - 1) - 1

    def _scale(self, parameter: Any) -> NDArray[np.float64]:
        scale = np.asarray(parameter, dtype=np.float64)
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise InputError(f"{self.name}: got scale {parameter}; allowed are numbers above 0")
        return scale


@dataclass(frozen=True)
class BlockFloat(_Levels):
    """Block floating point: levels ±(2^(bits-1) - 1) times a shared power of two.

    The parameter is the shared exponent E = floor(log2 max|x|), the scale 2^(E - bits + 2), so
    the largest value may clamp by up to one level. An all-zero block has E = 0. Blocks are rows or
    vectors by the name's suffix, such as `bfp<8>/vector16`; without it one block is one tensor.
    """

    bits: int
    parameter_bits = 8

    def __post_init__(self) -> None:
        _checked_bits(self.bits, "bfp")

    @property
    def name(self) -> str:
        """Such as `bfp<8>`."""
        return f"bfp<{self.bits}>"

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """The shared exponent."""
        top = protocol.largest(protocol.finite(x, self.name), axis)
        exponent = np.frexp(np.where(top == 0, 1.0, top))[1].astype(np.int64) - 1
        return int(exponent) if axis is None else exponent

    def _range(self) -> tuple[int, int]:
        return 1 - 2 ** (self.bits - 1), 2 ** (self.bits - 1) - 1

    def _scale(self, parameter: Any) -> NDArray[np.float64]:
        exponent = np.asarray(parameter)
        if exponent.dtype.kind not in "iu" or (exponent.size and np.abs(exponent).max() > 1074):
            raise InputError(
                f"{self.name}: got shared exponent {parameter}; allowed whole numbers ±1074"
            )
        return np.ldexp(1.0, exponent.astype(np.int64) - self.bits + 2)


@dataclass(frozen=True)
class AffineInteger(protocol.Plain):
    """Asymmetric INT: value = (code - zero_point)·scale, code 0 … 2^bits - 1.

    The range is that of the values widened to hold 0, which is exact. Zeros have scale 1, zero
    point 0. Code 0 is the lowest value, not zero: a bitmask of codes is no mask of values.
    """

    bits: int
    parameter_bits = FLOAT32_BITS + 16

    def __post_init__(self) -> None:
        _checked_bits(self.bits, "affine")

    @property
    def name(self) -> str:
        """Such as `affine<8>`."""
        return f"affine<{self.bits}>"

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """(scale, zero point), stacked along a new first axis."""
        values = protocol.finite(x, self.name)
        keep = axis is not None
        low = np.min(values, axis=axis, keepdims=keep, initial=0.0).astype(np.float64)
        high = np.max(values, axis=axis, keepdims=keep, initial=0.0).astype(np.float64)
        with np.errstate(over="ignore"):  # an infinite scale is refused where it is used
            scale = (high - low) / (2**self.bits - 1)
        scale = np.where(scale == 0, 1.0, scale)
        return np.stack([scale, np.rint(-low / scale)])

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """Codes of the nearest levels: rint(x / scale) + zero point, clamped."""
        values = protocol.finite(x, self.name)
        scale, zero = self._pair(self.parameter_for(values) if parameter is None else parameter)
        protocol.fits(scale, values.shape, self.name)
        rows = protocol.rows_with(values, scale) if values.size else None
        if rows is None or zero.shape != scale.shape:
            return self.encode_reference(values, (scale, zero))
        out = np.empty(rows.shape, dtype=protocol.code_dtype(self.bits))
        highest = 2**self.bits - 1
        kernels.scaled_encode(
            rows, out, scale.reshape(-1), zero.reshape(-1), 0.0, float(highest), highest
        )
        return out.reshape(values.shape)

    def encode_reference(self, x: ArrayLike, parameter: Any) -> protocol.Codes:
        """`encode` in plain numpy: the twin of the kernel."""
        scale, zero = self._pair(parameter)
        level = np.rint(protocol.finite(x, self.name).astype(np.float64) / scale) + zero
        return protocol.as_codes(np.clip(level, 0, 2**self.bits - 1), self.bits)

    def _pair(self, parameter: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scale and whole zero point as float64 arrays; InputError for anything else."""
        try:
            scale, zero = (np.asarray(part, dtype=np.float64) for part in parameter)
        except (TypeError, ValueError):
            raise InputError(f"{self.name}: got {parameter!r}, no (scale, zero point)") from None
        if not ((scale > 0) & np.isfinite(scale)).all() or not (zero == np.rint(zero)).all():
            raise InputError(
                f"{self.name}: got (scale, zero point) {parameter}; allowed are scales above 0 "
                "and whole zero points"
            )
        return scale, zero

    def decode(self, codes: ArrayLike, parameter: Any = None) -> NDArray[np.float64]:
        """Values of codes, float64."""
        if parameter is None:
            raise InputError(f"{self.name}: decode needs its (scale, zero point)")
        scale, zero = self._pair(parameter)
        code = protocol.checked_codes(codes, self.bits, self.name)
        protocol.fits(scale, code.shape, self.name)
        return np.asarray((code - zero) * scale, dtype=np.float64)

    def quantize(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """The nearest representable values, same shape; float32 in gives float32 out."""
        values = protocol.finite(x, self.name)
        chosen = self.parameter_for(values) if parameter is None else parameter
        return protocol.as_given(self.decode(self.encode(values, chosen), chosen), values)

    def code_table(self, parameter: Any = None) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,)."""
        return self.decode(np.arange(2**self.bits), parameter)
