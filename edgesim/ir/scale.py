"""How a model's work grows with the length of its sentence, layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from edgesim.ir.interval import Interval


@dataclass(frozen=True)
class LayerScale:
    """One layer, off-ramp or the embedding at one length."""

    layer: str
    latency_s: float
    compute_s: float
    """MAC array and special function unit at work; they take turns."""
    memory_s: float
    """Transfers between storage and operand memories, hidden or not."""
    waiting_s: float
    """Part of the transfers that nothing hides."""
    limit: str
    """What limits it, in words, as a run reports it."""

    @property
    def bound(self) -> str:
        """`compute` or `memory`: what would remain if everything overlapped."""
        return "memory" if self.memory_s > self.compute_s else "compute"


@dataclass(frozen=True)
class LengthScale:
    """One sentence of one length at full depth, batch 1."""

    num_tokens: int
    latency_s: float
    energy_j: Interval
    traffic_over_compulsory: float
    """Storage traffic as a multiple of what no plan can avoid."""
    layers: tuple[LayerScale, ...]
    """In order of execution."""


@dataclass(frozen=True)
class WorkScale:
    """A model on a chip over several lengths, shortest first."""

    model: str
    chip: str
    lengths: tuple[LengthScale, ...]

    def turning_points(self) -> dict[tuple[int, int], list[str]]:
        """Layers by the two lengths between which they turn from memory- to compute-bound."""
        found: dict[tuple[int, int], list[str]] = {}
        tokens = [length.num_tokens for length in self.lengths]
        for position, layer in enumerate(self.lengths[0].layers):
            bounds = [length.layers[position].bound for length in self.lengths]
            for (before, first), (after, second) in pairwise(zip(tokens, bounds, strict=True)):
                if (first, second) == ("memory", "compute"):
                    found.setdefault((before, after), []).append(layer.layer)
        return found

    def to_json(self) -> dict[str, Any]:
        """As JSON values, every layer with its bound."""
        lengths = [
            {
                **asdict(length),
                "layers": [{**asdict(layer), "bound": layer.bound} for layer in length.layers],
            }
            for length in self.lengths
        ]
        return {"schema_version": 1, "model": self.model, "chip": self.chip, "lengths": lengths}
