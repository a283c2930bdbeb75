"""From a figure and its simulated counterpart to a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgesim.ir.interval import Interval
from edgesim.validation.figure import Figure

Verdict = Literal["pass", "out", "fitted", "shown"]
VERDICTS: tuple[Verdict, ...] = ("pass", "out", "fitted", "shown")


@dataclass(frozen=True)
class Simulated:
    """What the simulator gives for a figure's quantity."""

    value: float | None
    """None where it is not available."""
    low: float | None = None
    """Range that follows from the technology entries; None where exact."""
    high: float | None = None
    note: str = ""
    """What a reader should know of it; the reason where there is no value."""

    @classmethod
    def of(cls, interval: Interval, note: str = "") -> Simulated:
        """A simulated value with its range."""
        return cls(interval.value, interval.low, interval.high, note)

    @classmethod
    def missing(cls, reason: str) -> Simulated:
        """No value, and why."""
        return cls(None, note=reason)


@dataclass(frozen=True)
class Row:
    """One line of the comparison."""

    figure: Figure
    simulated: Simulated
    verdict: Verdict

    @property
    def difference(self) -> float | None:
        """Simulated less the figure, as a share of the figure; None without a value."""
        if self.simulated.value is None:
            return None
        gap = self.simulated.value - self.figure.value
        return gap / abs(self.figure.value) if self.figure.value else gap

    @property
    def tolerance_text(self) -> str:
        """What the difference may be, in words."""
        figure = self.figure
        if figure.tolerance is None or figure.input_of_model:
            return "not judged"
        if figure.bound is not None:
            return f"listed exception, within {figure.bound:g} {figure.unit}"
        return "exact" if figure.tolerance == 0 else f"within {100 * figure.tolerance:g} %"


def judge(figure: Figure, simulated: Simulated) -> Row:
    """The row of a figure: its tolerance follows from its standing alone."""
    return Row(figure, simulated, _verdict(figure, simulated))


def _verdict(figure: Figure, simulated: Simulated) -> Verdict:
    if simulated.value is None:
        return "shown"
    if figure.input_of_model:
        return "fitted"
    if figure.tolerance is None:
        return "shown"
    allowed = figure.tolerance * abs(figure.value) if figure.bound is None else figure.bound
    return "pass" if abs(simulated.value - figure.value) <= allowed else "out"
