"""Executions of the released SystemC that ship with the package: cycles and bit vectors."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import numpy as np
from numpy.typing import NDArray

SIZES = {
    "matmul": {"m": "M", "k": "K", "n": "N"},
    "softmax": {"m": "M", "k": "K"},
    "layernorm": {"m": "M", "k": "K"},
    "elemadd": {"m": "M", "k": "K"},
    "entropy": {"m": "M", "k": "K"},
}
ROWS_ONLY = {"m": "M"}
_VECTOR_END = ".csv.gz"


@dataclass(frozen=True)
class ExecutedOp:
    """One measured command."""

    op: str
    shape: tuple[tuple[str, int], ...]
    """Dimension and size, as `op_cycles` takes them."""
    vector_size: int
    density: str
    """Share of non-zeros as it was set; empty where it plays no part."""
    cycles: int
    """Start command to interrupt or done signal."""
    notes: str

    @property
    def sizes(self) -> dict[str, int]:
        """Shape by dimension."""
        return dict(self.shape)

    def __str__(self) -> str:
        sizes = "x".join(str(size) for _, size in self.shape)
        return f"{self.op}-{sizes}-n{self.vector_size}-d{self.density or 'any'}"


def executed_folder() -> Traversable:
    """Folder of the recorded executions; its README says how they were made."""
    return resources.files("edgesim.validation") / "executed"


def executed_ops() -> tuple[ExecutedOp, ...]:
    """Every row of the table of executed cycles."""
    text = (executed_folder() / "systemc_cycles.csv").read_text(encoding="utf-8")
    return tuple(
        ExecutedOp(
            op=row["op"],
            shape=tuple(
                (name, int(row[column])) for name, column in SIZES.get(row["op"], ROWS_ONLY).items()
            ),
            vector_size=int(row["vector_size"]),
            density=row["density"],
            cycles=int(row["cycles"]),
            notes=row["notes"],
        )
        for row in csv.DictReader(io.StringIO(text))
    )


@dataclass(frozen=True, eq=False)
class Vectors:
    """One file of recorded inputs and outputs."""

    columns: dict[str, NDArray[np.float64]]
    """By name, (rows,); empty cells are NaN."""

    @classmethod
    def read(cls, name: str) -> Vectors:
        """The vectors of that name."""
        packed = (executed_folder() / "systemc_vectors" / f"{name}{_VECTOR_END}").read_bytes()
        header, *rows = csv.reader(io.StringIO(gzip.decompress(packed).decode()))
        table = np.array([[float(cell or "nan") for cell in row] for row in rows])
        return cls({column: table[:, i] for i, column in enumerate(header)})

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.columns[name]

    def whole(self, name: str) -> NDArray[np.int64]:
        """A column of integers."""
        return self.columns[name].astype(np.int64)

    def block(self, prefix: str) -> NDArray[np.int64]:
        """All columns `prefix` + number, side by side: (rows, columns)."""
        mine = [
            name
            for name in self.columns
            if name.startswith(prefix) and name.removeprefix(prefix).split("(")[0].isdecimal()
        ]
        return np.stack([self.whole(name) for name in mine], axis=1)
