"""The plain twin of the tile kernel: every event of every tile in lists, nothing skipped."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class TilePipeline:
    """Cycle at which each fetch, MAC pass and drain ends, over all tiles so far."""

    load: int
    compute: int
    drain: int
    operand_tile_buffers: int
    accumulator_buffers: int
    load_ends: list[int] = field(default_factory=list)
    compute_ends: list[int] = field(default_factory=list)
    drain_ends: list[int] = field(default_factory=list)

    def run(self, output_tiles: int, reduction_tiles: int, not_before: int) -> None:
        """Append the events of a run of tiles whose operands are there from `not_before` on."""
        for _ in range(output_tiles):
            for tile in range(reduction_tiles):
                self._fetch(not_before)
                self._multiply(first=tile == 0)
            drained = self.drain_ends[-1] if self.drain_ends else 0
            self.drain_ends.append(max(self.compute_ends[-1], drained) + self.drain)

    def _fetch(self, not_before: int) -> None:
        number = len(self.load_ends)
        start = max(not_before, self.load_ends[-1] if self.load_ends else 0)
        if number >= self.operand_tile_buffers:
            start = max(start, self.compute_ends[number - self.operand_tile_buffers])
        self.load_ends.append(start + self.load)

    def _multiply(self, first: bool) -> None:
        start = max(self.load_ends[-1], self.compute_ends[-1] if self.compute_ends else 0)
        if first and len(self.drain_ends) >= self.accumulator_buffers:
            start = max(start, self.drain_ends[-self.accumulator_buffers])
        self.compute_ends.append(start + self.compute)
