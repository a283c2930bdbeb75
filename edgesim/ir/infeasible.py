"""Infeasible: why a trace does not run on a chip. A value in a sweep, an error in a single run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Infeasible:
    """One bound that a trace breaks on a chip."""

    subject: str
    """Op, tensor or tensor class, and the chip part."""
    demand: float
    bound: float
    unit: str
    levers: tuple[str, ...]
    """Dotted chip paths or run options that would help."""

    @property
    def gap(self) -> float:
        """Demand beyond the bound."""
        return self.demand - self.bound

    def message(self) -> str:
        """One line: what, demand, bound, gap, and what to change."""
        return (
            f"{self.subject}: needs {self.demand:g} {self.unit}, has {self.bound:g} "
            f"({self.gap:g} too few); change {' or '.join(self.levers)}"
        )
