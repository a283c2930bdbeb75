"""RunFigures: the totals of a run. Results hold them, sweeps store them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.interval import Interval

MEDIAN, LATE = 0.50, 0.95
"""Shares of the percentiles that are stated."""


@dataclass(frozen=True)
class RunFigures:
    """Means per sentence and percentiles over sentences; None where nothing was measured."""

    num_sentences: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    average_exit_layer: float | None
    latency_s: Interval
    energy_j: Interval | None
    chip_energy_j: Interval | None
    offchip_energy_j: Interval | None
    host_energy_j: Interval | None
    area_mm2: Interval | None
    ideal_latency_s: float | None
    latency_p50_s: float
    latency_p95_s: float
    energy_p50_j: float | None
    energy_p95_j: float | None
    spilled_bytes: float
    traffic_over_compulsory: float | None
    missed_fraction: float | None
    """Sentences that ended after their latency target; None without one."""

    @property
    def energy_delay_js(self) -> Interval | None:
        """Energy-delay product of the mean sentence; None without energy."""
        return None if self.energy_j is None else self.energy_j.times(self.latency_s)

    def of_result(self) -> dict[str, Any]:
        """The fields that a SimResult has too; the others follow from its sentences."""
        names = [entry.name for entry in fields(self)]
        return {name: getattr(self, name) for name in names if name not in DERIVED}

    def to_json(self) -> dict[str, Any]:
        """Numbers by name; an interval as its value, and its ends under `…_low` and `…_high`."""
        record: dict[str, Any] = {}
        for name in INTERVALS:
            interval: Interval | None = getattr(self, name)
            for end, attribute in (("", "value"), ("_low", "low"), ("_high", "high")):
                record[name + end] = None if interval is None else getattr(interval, attribute)
        product = self.energy_delay_js
        return {
            **record, **{name: getattr(self, name) for name in _STORED},
            "energy_delay_js": None if product is None else product.value,
        }  # fmt: skip


INTERVALS = (
    "latency_s", "energy_j", "chip_energy_j", "offchip_energy_j", "host_energy_j", "area_mm2",
)  # fmt: skip
DERIVED = (
    "latency_p50_s", "latency_p95_s", "energy_p50_j", "energy_p95_j", "missed_fraction",
)  # fmt: skip
_STORED = tuple(entry.name for entry in fields(RunFigures) if entry.name not in INTERVALS)
FIGURES = (*INTERVALS, *_STORED, "energy_delay_js")
"""Names of the figures; each of INTERVALS also has `…_low` and `…_high`."""


@dataclass(frozen=True, eq=False)
class SegmentTotals:
    """What segments of a run need and move; one entry per segment."""

    counts: Sequence[int]
    """Sentences that run the segment."""
    bound_s: Sequence[float]
    """Roofline bound of its time."""
    moved_bits: Sequence[int]
    """Activations written behind their first medium."""
    traffic_bits: Sequence[int]
    compulsory_bits: Sequence[int]

    def ideal_latency_s(self, num_sentences: int) -> float:
        """Mean roofline bound, exact whatever the order of segments."""
        pairs = zip(self.counts, self.bound_s, strict=True)
        return math.fsum(count * bound for count, bound in pairs if count) / num_sentences

    def spilled_bytes(self, at_rest_bits: int) -> float:
        """Weights behind their first medium, plus the largest activation spill of a segment."""
        moved = (b / 8 for b, count in zip(self.moved_bits, self.counts, strict=True) if count)
        return at_rest_bits / 8 + max(moved, default=0.0)

    @property
    def traffic_over_compulsory(self) -> float:
        """Storage traffic as a multiple of what no plan can avoid; 1 where nothing moves."""
        moved = _weighted(self.counts, self.traffic_bits)
        needed = _weighted(self.counts, self.compulsory_bits)
        return moved / needed if needed else 1.0


def mean_interval(rows: NDArray[np.float64]) -> Interval:
    """Means over sentences of rows for value, low and high, (3, num_sentences)."""
    value, low, high = (float(mean) for mean in rows.mean(axis=1))
    return Interval(value, low, high)


def _weighted(counts: Sequence[int], bits: Sequence[int]) -> int:
    return sum(count * number for count, number in zip(counts, bits, strict=True))
