"""Rows of the executed SystemC and the chip they ran on."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import edgesim
from edgesim.hw.spec import AcceleratorSpec

SIZES = {
    "matmul": {"m": "M", "k": "K", "n": "N"},
    "softmax": {"m": "M", "k": "K"},
    "layernorm": {"m": "M", "k": "K"},
    "elemadd": {"m": "M", "k": "K"},
    "entropy": {"m": "M", "k": "K"},
}
ROWS_ONLY = {"m": "M"}


@dataclass(frozen=True)
class ExecutedOp:
    """One measured op."""

    op: str
    shape: tuple[tuple[str, int], ...]
    vector_size: int
    density: str
    cycles: int
    notes: str

    @property
    def sizes(self) -> dict[str, int]:
        """Shape by dimension."""
        return dict(self.shape)

    def noted(self, what: str) -> int:
        """A count from the notes column."""
        found = re.search(rf"{what}=(\d+)", self.notes)
        assert found is not None
        return int(found[1])

    def __str__(self) -> str:
        sizes = "x".join(str(size) for _, size in self.shape)
        return f"{self.op}-{sizes}-n{self.vector_size}-d{self.density or 'any'}"


def executed_ops() -> list[ExecutedOp]:
    """Every row of the reference table."""
    path = Path(__file__).parents[1] / "data" / "systemc_cycles.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            ExecutedOp(
                op=row["op"],
                shape=tuple(
                    (name, int(row[column]))
                    for name, column in SIZES.get(row["op"], ROWS_ONLY).items()
                ),
                vector_size=int(row["vector_size"]),
                density=row["density"],
                cycles=int(row["cycles"]),
                notes=row["notes"],
            )
            for row in csv.DictReader(lines)
        ]


@cache
def hls_chip(vector_size: int = 16) -> AcceleratorSpec:
    """The released chip at one vector size."""
    return changed_chip({"pu.vector_size": vector_size})


def changed_chip(overrides: dict[str, object]) -> AcceleratorSpec:
    """The released chip with some values changed."""
    chip = edgesim.load_chip("edgebert-hls", overrides)
    assert isinstance(chip, AcceleratorSpec)
    return chip
