"""Binary and ternary weights with a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import kernels, protocol


def _unit(magnitude: NDArray[np.float64]) -> float:
    """A power of two by which magnitudes are divided where their sum might pass float64's range."""
    return 2.0**512 if np.max(magnitude) > 2.0**900 else 1.0


class _FewLevels(protocol.Plain):
    """Levels of a scale; subclasses say which level a value takes and what a code means."""

    name: str
    bits: int
    parameter_bits: int = 32

    def _levels(self) -> NDArray[np.int64]:
        raise NotImplementedError

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        raise NotImplementedError

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        raise NotImplementedError

    def decode(self, codes: ArrayLike, parameter: Any = None) -> NDArray[np.float64]:
        """Values of codes, float64."""
        code = protocol.checked_codes(codes, self.bits, self.name)
        scale = np.asarray(np.nan if parameter is None else parameter, dtype=np.float64)
        if not (np.isfinite(scale) & (scale >= 0)).all():
            raise InputError(f"{self.name}: got scale {parameter}; allowed are numbers from 0 up")
        protocol.fits(scale, code.shape, self.name)
        return np.asarray(np.take(self._levels(), code) * scale)

    def quantize(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """The rounded values, same shape; float32 in gives float32 out."""
        values = protocol.finite(x, self.name)
        chosen = self.parameter_for(values) if parameter is None else parameter
        return protocol.as_given(self.decode(self.encode(values, chosen), chosen), values)

    def code_table(self, parameter: Any = None) -> NDArray[np.float64]:
        """The value of every code, shape (2^bits,)."""
        return self.decode(np.arange(2**self.bits), parameter)


@dataclass(frozen=True)
class Binary(_FewLevels):
    """±scale by sign, scale = mean|x| (least squares; Rastegari et al., XNOR-Net, 2016).

    Code 0 is +scale and code 1 -scale; a value of 0 becomes +scale. There is no zero.
    """

    name = "binary"
    bits = 1

    def _levels(self) -> NDArray[np.int64]:
        return np.array([1, -1])

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """The scale; 0 for an empty tensor."""
        magnitude = np.abs(protocol.finite(x, self.name).astype(np.float64))
        if magnitude.size == 0:
            return 0.0
        unit = _unit(magnitude)
        scale = np.mean(magnitude / unit, axis=axis, keepdims=axis is not None) * unit
        return float(scale) if axis is None else scale

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """1 where a value is negative."""
        return (protocol.finite(x, self.name) < 0).astype(np.uint8)


@dataclass(frozen=True)
class Ternary(_FewLevels):
    """0 or ±scale (Li and Liu, Ternary Weight Networks, 2016).

    The scale is the paper's: the mean of the magnitudes above 0.7·mean|x|. Values then go to the
    nearest level (the border scale/2, where least squares puts it), ties to 0. Codes 0, 1, 3 are
    0, +scale, -scale; 2 is never written and reads as 0.
    """

    name = "ternary"
    bits = 2
    threshold_fraction: float = 0.7
    """Magnitudes above this fraction of mean|x| make the scale (the paper's rule of thumb)."""

    def _levels(self) -> NDArray[np.int64]:
        return np.array([0, 1, 0, -1])

    def _border(self, magnitude: NDArray[np.float64], axis: int | None) -> NDArray[np.float64]:
        mean = np.mean(magnitude, axis=axis, keepdims=axis is not None)
        return np.asarray(self.threshold_fraction * mean)

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """The scale; 0 for an empty or all-zero tensor."""
        magnitude = np.abs(protocol.finite(x, self.name).astype(np.float64))
        if magnitude.size == 0:
            return 0.0
        unit = _unit(magnitude)
        magnitude = magnitude / unit
        kept = magnitude > self._border(magnitude, axis)
        keep = axis is not None
        total = np.sum(magnitude * kept, axis=axis, keepdims=keep)
        scale = total / np.maximum(np.sum(kept, axis=axis, keepdims=keep), 1) * unit
        return scale if keep else float(scale)

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """Codes by sign and border."""
        values = protocol.finite(x, self.name)
        scale = self.parameter_for(values) if parameter is None else parameter
        border = np.asarray(scale, dtype=np.float64) / 2
        protocol.fits(border, values.shape, self.name)
        rows = protocol.rows_with(values, border) if values.size else None
        if rows is None:
            return self.encode_reference(values, scale)
        out = np.empty(rows.shape, dtype=np.uint8)
        kernels.ternary_encode(rows, out, border.reshape(-1))
        return out.reshape(values.shape)

    def encode_reference(self, x: ArrayLike, parameter: Any) -> protocol.Codes:
        """`encode` in plain numpy: the twin of the kernel."""
        values = protocol.finite(x, self.name)
        kept = np.abs(values.astype(np.float64)) > np.asarray(parameter, dtype=np.float64) / 2
        return np.where(kept, np.where(values < 0, 3, 1), 0).astype(np.uint8)
