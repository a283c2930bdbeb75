"""Random cell faults in a stored tensor, and the weights that a decoder reads then.

Bits of the packed rows lie one behind the other, row by row and lane by lane, highest bit of a code
first, and are cut into cells without gaps; a cell of three bits may hold parts of two codes. Mask
bits lie the same way, vector by vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.faults.cells import CellFaults
from edgesim.functional.faults.stored import StoredTensor, unpack


@dataclass(frozen=True, eq=False)
class Damage:
    """What faults did to one tensor."""

    data_faults: int
    """Cells of packed codes that are read as another level."""
    mask_faults: int
    """Cells of the mask."""
    elements: NDArray[np.int64]
    """Flat indices of the weights whose code changed, in scan order."""
    values: NDArray[np.float32]
    """What they are read as."""


def damage(
    stored: StoredTensor, data: CellFaults | None, mask: CellFaults | None,
    data_rng: np.random.Generator, mask_rng: np.random.Generator,
) -> Damage:  # fmt: skip
    """Draw faults once; None for codes or mask that rest without faults.

    Codes and mask have generators of their own, so that runs that differ in the mask's medium draw
    the same faults in the codes.
    """
    rows, bits = stored.rows, stored.mask
    data_words = mask_words = np.zeros(0, dtype=np.int64)
    data_faults = mask_faults = 0
    if data is not None:
        rows = rows.copy()
        data_faults, data_words = flip_cells(rows.reshape(-1), stored.code_bits, data, data_rng)
    if mask is not None and bits.size:
        bits = bits.copy()
        mask_faults, mask_words = flip_cells(bits.reshape(-1), 1, mask, mask_rng)
    n = stored.layout.vector_size
    touched = np.unique(
        np.concatenate(
            [
                _block_of(stored.row_starts, data_words // n),
                _block_of(stored.layout.block_starts, mask_words // n),
            ]
        )
    )
    elements, codes = _changed(stored, rows, bits, touched)
    return Damage(data_faults, mask_faults, elements, stored.table[codes].astype(np.float32))


def _block_of(starts: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.searchsorted(starts, position, side="right") - 1, dtype=np.int64)


def _changed(
    stored: StoredTensor, rows: NDArray[Any], mask: NDArray[np.uint8], blocks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Elements whose code changed, all of them in the listed blocks, and their codes."""
    scanned = unpack(stored, rows, mask, blocks)
    differs = (scanned != stored.scanned) & (stored.layout.element_of >= 0)
    return stored.layout.element_of[differs].astype(np.int64), scanned[differs]


def flip_cells(
    words: NDArray[Any], word_bits: int, cells: CellFaults, rng: np.random.Generator
) -> tuple[int, NDArray[np.int64]]:
    """Misread cells of flat words, in place; the number of cells and the words that changed.

    A last cell that is not full is padded with zeros; only its real bits count.
    """
    width, total_bits = cells.bits_per_cell, words.size * word_bits
    confusion = cells.confusion
    np.fill_diagonal(confusion, 0.0)
    leave = confusion.sum(axis=1)
    worst = float(leave.max())
    found = bernoulli_positions(-(-total_bits // width), worst, rng)
    draw = rng.random(len(found)) * worst
    bit = found[:, None] * width + np.arange(width)
    real = bit < total_bits
    word = np.where(real, bit, 0) // word_bits
    shift = word_bits - 1 - np.where(real, bit, 0) % word_bits
    weight = 1 << np.arange(width - 1, -1, -1, dtype=np.int64)
    stored_bits = ((((words[word].astype(np.int64) >> shift) & 1) * real) * weight).sum(axis=1)
    bits_of_level = cells.bits_of_level
    level_of_bits = np.argsort(bits_of_level)
    level = level_of_bits[stored_bits]
    wrong = draw < leave[level]
    reach = np.cumsum(confusion, axis=1)[level[wrong]]
    read = np.minimum((draw[wrong, None] >= reach).sum(axis=1), cells.num_levels - 1)
    flipped = stored_bits[wrong] ^ bits_of_level[read]
    chosen = ((flipped[:, None] & weight) != 0) & real[wrong]
    toggled, by = word[wrong][chosen], (1 << shift[wrong][chosen]).astype(words.dtype)
    np.bitwise_xor.at(words, toggled, by)
    return int(wrong.sum()), np.unique(toggled)


def bernoulli_positions(num: int, rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions 0 … num - 1, each chosen with the same chance, by the gaps between them."""
    if num == 0 or rate <= 0:
        return np.zeros(0, dtype=np.int64)
    parts, last = [], -1
    while last < num:
        expected = (num - last) * rate
        gaps = rng.geometric(rate, int(expected + 4 * np.sqrt(expected) + 8))
        steps = last + np.cumsum(np.minimum(gaps, num + 1))
        parts.append(steps)
        last = int(steps[-1])
    positions = np.concatenate(parts)
    return positions[positions < num]
