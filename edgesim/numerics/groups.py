"""One parameter per row or per vector instead of one per tensor, for any format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.numerics import protocol
from edgesim.numerics.protocol import NumberFormat


@dataclass(frozen=True)
class Grouped:
    """`inner` with a parameter of its own for each row, or each vector of `vector_size` in a row.

    The last axis is the row. Parameters come as an array (groups, 1), groups in C order; for affine
    integers (2, groups, 1). A last vector that is short counts as one padded with zeros.
    """

    inner: NumberFormat
    vector_size: int | None = None
    """Elements per vector; None: whole rows."""

    def __post_init__(self) -> None:
        if self.vector_size is not None and self.vector_size < 1:
            raise InputError(f"vector size: got {self.vector_size}; allowed from 1 up")

    @property
    def name(self) -> str:
        """Such as `adaptivfloat<8,3>/row` or `bfp<8>/vector16`."""
        suffix = "row" if self.vector_size is None else f"vector{self.vector_size}"
        return f"{self.inner.name}/{suffix}"

    @property
    def bits(self) -> int:
        """Stored bits per element, without the parameters."""
        return self.inner.bits

    @property
    def parameter_bits(self) -> int:
        """Stored bits of one group's parameter."""
        return self.inner.parameter_bits

    def _split(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array as groups (groups, length), zero-padded."""
        row = array.shape[-1] if array.ndim else 1
        rows = array.reshape(-1, row) if array.size else np.zeros((0, max(row, 1)), array.dtype)
        size = self.vector_size or rows.shape[1]
        missing = -rows.shape[1] % size
        padded = np.pad(rows, [(0, 0), (0, missing)]) if missing else rows
        return padded.reshape(-1, size)

    def _join(self, groups: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        row = shape[-1] if shape else 1
        if 0 in shape:
            return np.zeros(shape, dtype=groups.dtype)
        size = self.vector_size or row
        padded = groups.reshape(-1, row + -row % size)
        return padded[:, :row].reshape(shape)

    def parameter_for(self, x: ArrayLike, axis: int | None = None) -> Any:
        """The parameters of all groups, (groups, 1); `axis` is not used."""
        return self.inner.parameter_for(self._split(protocol.finite(x, self.name)), axis=-1)

    def encode(self, x: ArrayLike, parameter: Any = None) -> protocol.Codes:
        """Codes of the nearest values, each group with its parameter; the shape of `x`."""
        values = protocol.finite(x, self.name)
        chosen = self.parameter_for(values) if parameter is None else parameter
        return self._join(self.inner.encode(self._split(values), chosen), values.shape)

    def decode(self, codes: ArrayLike, parameter: Any = None) -> NDArray[np.float64]:
        """Values of codes, float64."""
        array = np.asarray(codes)
        return self._join(self.inner.decode(self._split(array), parameter), array.shape)

    def quantize(self, x: ArrayLike, parameter: Any = None) -> protocol.Values:
        """The nearest representable values, same shape; float32 in gives float32 out."""
        values = protocol.finite(x, self.name)
        chosen = self.parameter_for(values) if parameter is None else parameter
        return self._join(self.inner.quantize(self._split(values), chosen), values.shape)

    def code_table(self, parameter: Any = None) -> NDArray[np.float64]:
        """The value of every code for the parameter of one group."""
        return self.inner.code_table(parameter)

    def stored_bits(self, shape: tuple[int, ...]) -> int:
        """Bits of a dense tensor of this shape, one parameter per group included."""
        count = int(np.prod(shape, dtype=np.int64))
        row = shape[-1] if shape else 1
        per_row = 1 if self.vector_size is None else -(-row // self.vector_size)
        num_groups = count // row * per_row if row else 0
        return self.bits * count + self.parameter_bits * num_groups
