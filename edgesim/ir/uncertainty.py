"""What the ranges of the technology entries do to the figures of a run, and to its conclusions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgesim.ir.interval import Interval


@dataclass(frozen=True)
class FigureRange:
    """One figure of the mean sentence."""

    name: str
    unit: str
    sampled: Interval | None
    """Nominal value with the 5th and 95th percentile over the samples; None if not modelled."""
    over_sentences: Interval | None
    """The same over resampled sentences; None for one sentence, and for what none changes."""


@dataclass(frozen=True)
class FamilySwing:
    """What one family of entries does to the energy, all others at their values."""

    family: str
    energy_j: Interval
    """Nominal energy, and the ends of the range ordered by size."""

    @property
    def width_j(self) -> float:
        """Distance of the ends."""
        return self.energy_j.high - self.energy_j.low


@dataclass(frozen=True)
class Conclusion:
    """A statement that a reader may draw, and how far the ranges support it."""

    text: str
    holds: bool
    """At the nominal values."""
    sign_change_fraction: float
    """Share of the samples in which the opposite holds."""


@dataclass(frozen=True)
class Uncertainty:
    """Samples of a run's technology entries."""

    chip: str
    against: str
    """The other side of the conclusions; empty without one."""
    num_samples: int
    num_simulations: int
    """Of them with their own simulation: samples of the entries that change the time."""
    seed: int
    num_families: int
    num_entries: int
    figures: tuple[FigureRange, ...]
    swings: tuple[FamilySwing, ...]
    """Widest first."""
    conclusions: tuple[Conclusion, ...]
    ratios: tuple[FigureRange, ...] = ()
    """Figures over those of the other side, sample by sample; empty without one."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"schema_version": 1, **asdict(self)}
