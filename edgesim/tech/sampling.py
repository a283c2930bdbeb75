"""Draws from the ranges of technology entries; entries of one family move together."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgesim.tech.entry import Entry
from edgesim.tech.technology import Technology

MEDIAN = 0.5
_SIZES = (
    (re.compile(r"_\d+_bytes\."), "_*_bytes."), (re.compile(r"^pu\.n\d+\."), "pu.n*."),
    (re.compile(r"_\d+_mv\."), "_*_mv."),
)  # fmt: skip


def family_of(entry_id: str) -> str:
    """Entries of one figure at several sizes or voltages share a family: one source, one error."""
    for pattern, words in _SIZES:
        entry_id = pattern.sub(words, entry_id)
    return entry_id


def value_at(entry: Entry, quantile: float) -> float:
    """The value of an entry at a quantile of its range.

    The entry's value is the median; each half of the range is uniform in the logarithm, or in the
    value where the range begins at zero. An assumption: sources give ranges, no distributions.
    """
    assert entry.value is not None
    assert entry.low is not None
    assert entry.high is not None
    below = quantile < MEDIAN
    start, end = (entry.low, entry.value) if below else (entry.value, entry.high)
    share = 2 * quantile if below else 2 * quantile - 1
    if start <= 0:
        return start + share * (end - start)
    return start * math.exp(share * math.log(end / start))


@dataclass(frozen=True)
class EntrySampler:
    """The entries among some ids whose range is not a point, by family."""

    technology: Technology
    families: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, technology: Technology, entry_ids: Iterable[str]) -> EntrySampler:
        """The sampler of those of the entries that have a range."""
        families: dict[str, tuple[str, ...]] = {}
        for entry_id in sorted(set(entry_ids)):
            entry = technology.entry(entry_id)
            if entry.interval is not None and entry.low != entry.high:
                family = family_of(entry_id)
                families[family] = (*families.get(family, ()), entry_id)
        return cls(technology, families)

    def draw(self, generator: np.random.Generator, count: int) -> dict[str, NDArray[np.float64]]:
        """Quantiles of every family, (count,): one in each of `count` equal parts, in any order."""
        return {
            family: (generator.permutation(count) + generator.random(count)) / count
            for family in self.families
        }

    def technology_at(self, quantiles: Mapping[str, float]) -> Technology:
        """The tables with every entry of the named families at its quantile, without a range."""
        entries = dict(self.technology.entries)
        for family, quantile in quantiles.items():
            for entry_id in self.families.get(family, ()):
                entry = entries[entry_id]
                value = value_at(entry, quantile)
                entries[entry_id] = replace(entry, value=value, low=value, high=value)
        return replace(self.technology, name=f"{self.technology.name}, sampled", entries=entries)
