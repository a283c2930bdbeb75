"""Weights as a chip stores them: mask bits and rows of packed codes, by the layout of a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.functional.faults import kernels
from edgesim.ir.packed_layout import PackedLayout
from edgesim.numerics import NumberFormat


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """One weight tensor at rest, without faults.

    Not part of it, and taken to be without faults: the exponent bias, block pointers, and whatever
    lies behind a block's last row (a decoder that runs past it reads 0).
    """

    layout: PackedLayout
    code_bits: int
    table: NDArray[np.float64]
    """Value of every code."""
    rows: NDArray[np.unsignedinteger[Any]]
    """(stored rows, n): packed codes; 0 where a lane holds less than the fullest of its block."""
    row_starts: NDArray[np.int64]
    """(blocks + 1,): first stored row of each block."""
    mask: NDArray[np.uint8]
    """(vectors, n): 1 where a code is stored; empty for a dense tensor."""
    scanned: NDArray[np.unsignedinteger[Any]]
    """(vectors, n): codes in scan order."""

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.layout.name

    @property
    def data_bits(self) -> int:
        """Bits of the packed codes."""
        return self.rows.size * self.code_bits

    @property
    def mask_bits(self) -> int:
        """Bits of the mask."""
        return self.mask.size


def store(layout: PackedLayout, values: ArrayLike, number_format: NumberFormat) -> StoredTensor:
    """The stored form of a tensor, with a parameter of its own.

    InputError where the format has no zero code or the tensor has another shape.
    """
    array = np.asarray(values)
    if array.shape != layout.shape:
        raise InputError(f"{layout.name}: values {array.shape} for a layout of {layout.shape}")
    parameter = number_format.parameter_for(array)
    table = number_format.code_table(parameter)
    if table[0] != 0 or np.isnan(table).any():
        raise InputError(
            f"{layout.name}: {number_format.name} cannot rest behind a bitmask: code 0 must mean 0 "
            "and every code a number; give the weights an AdaptivFloat format"
        )
    codes = number_format.encode(array, parameter)
    return store_codes(layout, codes, number_format.bits, table)


def store_codes(
    layout: PackedLayout, codes: NDArray[Any], code_bits: int, table: NDArray[np.float64]
) -> StoredTensor:
    """The stored form of codes 0 … 2^code_bits - 1 with the value of every code; 0 means zero."""
    flat = codes.reshape(-1)
    scanned = np.where(layout.element_of >= 0, flat[layout.element_of], 0).astype(codes.dtype)
    if not layout.masked:
        rows, starts = scanned.copy(), layout.block_starts
        mask = np.zeros((0, layout.vector_size), dtype=np.uint8)
    else:
        counts = np.add.reduceat(scanned != 0, layout.block_starts[:-1], axis=0, dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(counts.max(axis=1))])
        rows = np.zeros((int(starts[-1]), layout.vector_size), dtype=codes.dtype)
        mask = np.zeros(scanned.shape, dtype=np.uint8)
        kernels.pack(scanned, layout.block_starts, starts, rows, mask)
    return StoredTensor(layout, code_bits, table, rows, starts, mask, scanned)


def unpack(
    stored: StoredTensor, rows: NDArray[Any], mask: NDArray[np.uint8], blocks: NDArray[np.int64]
) -> NDArray[Any]:
    """Codes in scan order (vectors, n), the listed blocks read from given rows and mask."""
    if not stored.layout.masked:
        return rows
    scanned = stored.scanned.copy()
    kernels.unpack(rows, mask, stored.layout.block_starts, stored.row_starts, blocks, scanned)
    return scanned
