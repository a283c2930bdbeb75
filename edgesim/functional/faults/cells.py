"""How often a memory cell that was programmed to one level is read as another.

Every level is a normal distribution of read current. The border between two neighbours lies where
their densities cross, which misreads least when levels are equally likely; a level's share beyond
its borders is what is read wrongly (the rule of NVMExplorer's fault tool, lpentecost/NVMExplorer
nvmexplorer_src/nvmFI/fi_utils.py, here with jumps over several levels too).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.tech import Technology, known_media, medium_of
from edgesim.tech.technology import Bound

CODINGS = ("binary", "gray")
"""Which level stands for which bits: the number itself, or its reflected Gray code."""
MOST_CELL_RATE = 0.25
"""Beyond it a cell holds little more than noise."""


@dataclass(frozen=True, eq=False)
class CellFaults:
    """Level-to-level confusion of one kind of cell."""

    medium: str
    means: NDArray[np.float64]
    """(levels,): read current, rising."""
    sigmas: NDArray[np.float64]
    """(levels,)."""
    coding: str = "binary"

    def __post_init__(self) -> None:
        if self.coding not in CODINGS:
            raise InputError(f"coding {self.coding!r}; allowed: {', '.join(CODINGS)}")

    @property
    def num_levels(self) -> int:
        """Levels of a cell."""
        return len(self.means)

    @property
    def bits_per_cell(self) -> int:
        """Bits of a cell."""
        return int(self.num_levels).bit_length() - 1

    @property
    def confusion(self) -> NDArray[np.float64]:
        """(levels, levels): row j is the chance that level j is read as each level."""
        return confusion_rows(self.means, self.sigmas)

    @property
    def bits_of_level(self) -> NDArray[np.int64]:
        """The bits that each level stands for, as a number."""
        level = np.arange(self.num_levels)
        return level ^ (level >> 1) if self.coding == "gray" else level

    @property
    def cell_rate(self) -> float:
        """Share of cells read as another level, all levels equally likely."""
        confusion = self.confusion
        np.fill_diagonal(confusion, 0.0)
        return float(confusion.sum() / self.num_levels)

    @property
    def bit_rate(self) -> float:
        """Share of bits read wrongly, all levels equally likely."""
        bits = self.bits_of_level
        flipped = np.bitwise_count(bits[:, None] ^ bits[None, :])
        return float((self.confusion * flipped).sum() / self.num_levels / self.bits_per_cell)

    def widened(self, factor: float) -> CellFaults:
        """The same levels with every distribution wider by a factor."""
        return CellFaults(self.medium, self.means, self.sigmas * factor, self.coding)


def media(technology: Technology) -> tuple[str, ...]:
    """Media whose levels the tables hold."""
    names = known_media()
    return tuple(sorted(name for name in names if f"{name}.level_0_mean_fraction" in technology))


def cell_faults(
    technology: Technology, medium: str, coding: str = "binary", bound: Bound = "value"
) -> CellFaults:
    """The cells of a medium; `bound` takes the ends of the ranges of the distributions' widths."""
    known = media(technology)
    if medium not in known:
        raise InputError(
            f"medium {medium!r}: no fault figures; allowed: {', '.join(known)} (others are not "
            "modelled)"
        )
    means, sigmas = [], []
    for i in range(medium_of(medium).levels):
        means.append(technology.value(f"{medium}.level_{i}_mean_fraction", bound))
        sigmas.append(technology.value(f"{medium}.level_{i}_sigma_fraction", bound))
    return CellFaults(medium, np.array(means), np.array(sigmas), coding)


def widened_to(cells: CellFaults, cell_rate: float) -> CellFaults:
    """Cells of which this share is read wrongly: all distributions wider by one factor.

    InputError for rates that no width reaches.
    """
    most = MOST_CELL_RATE
    if not 0 < cell_rate <= most:
        raise InputError(
            f"cell fault rate {cell_rate:g}: {cells.medium} reaches rates above 0 and up to "
            f"{most:g}"
        )
    low, high = 1e-3, 1e4
    for _ in range(80):
        middle = math.sqrt(low * high)
        if cells.widened(middle).cell_rate < cell_rate:
            low = middle
        else:
            high = middle
    return cells.widened(high)


def confusion_rows(means: NDArray[np.float64], sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that each level is read as each other; rows sum to 1."""
    borders = [
        crossing(means[i], sigmas[i], means[i + 1], sigmas[i + 1]) for i in range(len(means) - 1)
    ]
    edges = [-math.inf, *borders, math.inf]
    rows = np.zeros((len(means), len(means)))
    for level, (mean, sigma) in enumerate(zip(means, sigmas, strict=True)):
        for read in range(len(means)):
            if read < level:
                lower, upper = (
                    _below(edges[read], mean, sigma),
                    _below(edges[read + 1], mean, sigma),
                )
                rows[level, read] = upper - lower
            elif read > level:
                lower, upper = (
                    _above(edges[read], mean, sigma),
                    _above(edges[read + 1], mean, sigma),
                )
                rows[level, read] = lower - upper
        rows[level, level] = 1 - rows[level].sum()
    return rows


def _below(edge: float, mean: float, sigma: float) -> float:
    return 0.5 * math.erfc((mean - edge) / sigma / math.sqrt(2))


def _above(edge: float, mean: float, sigma: float) -> float:
    return 0.5 * math.erfc((edge - mean) / sigma / math.sqrt(2))


def crossing(mean_a: float, sigma_a: float, mean_b: float, sigma_b: float) -> float:
    """Where the densities of two normal distributions are equal between their means a < b.

    With z = (x - a) / (b - a) and N = ((b - a) / sigma)^2 the difference of the log densities is
    z^2 (N_b - N_a) / 2 - N_b z + N_b / 2 + ln(sigma_b / sigma_a), which falls from z = 0 to 1.
    Where it has no zero between, one density is higher all the way: the border is the other's mean.
    """
    gap = mean_b - mean_a
    narrow_a, narrow_b = (gap / sigma_a) ** 2, (gap / sigma_b) ** 2
    at_a = narrow_b / 2 + math.log(sigma_b / sigma_a)
    at_b = -narrow_a / 2 + math.log(sigma_b / sigma_a)
    if at_a <= 0:
        return mean_a
    if at_b >= 0:
        return mean_b
    root = math.sqrt(narrow_b**2 - 2 * (narrow_b - narrow_a) * at_a)
    return mean_a + gap * 2 * at_a / (narrow_b + root)
