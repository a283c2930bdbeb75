"""Attention within a span as a band of square tiles: which tiles hold a pair that is seen."""

from __future__ import annotations

from edgesim.units import ceil_div


def band_columns(tile_row: int, length: int, span: int, vector_size: int) -> tuple[int, int]:
    """First column, and the one behind the last, of the tiles of a row of n × n tiles in the band.

    Token i sees token j where |i - j| < span; span is at least 1.
    """
    reach = ceil_div(span - 1, vector_size)
    first = max(0, tile_row - reach) * vector_size
    return first, min(length, (tile_row + reach + 1) * vector_size)


def band_pairs(length: int, span: int) -> int:
    """Pairs of tokens of a sentence that see each other."""
    reach = min(span, length)
    return length * (2 * reach - 1) - reach * (reach - 1)
