"""The work that every tool gets: the matrix products of one BERT-base layer at S=128.

Read by the drivers inside the environments of the peers, so it needs the standard library alone.
"""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """A product of (rows, reduction) and (reduction, columns), and how often the layer has it."""

    name: str
    rows: int
    columns: int
    reduction: int
    count: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one such product."""
        return self.rows * self.columns * self.reduction


ARRAY = 16
"""Rows and columns of the multiply-accumulate array."""
PRODUCTS = (
    Product("scores", 128, 128, 64, 12),
    Product("context", 128, 64, 128, 12),
    Product("square", 128, 768, 768, 4),
    Product("up", 128, 3072, 768, 1),
    Product("down", 128, 768, 3072, 1),
)
"""Query, key, value and output projection are the four square ones; 12 heads."""
LAYER_MACS = sum(product.macs * product.count for product in PRODUCTS)
IDEAL_CYCLES = LAYER_MACS // ARRAY**2
