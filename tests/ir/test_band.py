"""Bands of tiles against a mask that is written out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgesim.ir.band import band_columns, band_pairs

LENGTHS, SPANS, SIZES = st.integers(1, 70), st.integers(1, 80), st.sampled_from([1, 2, 4, 8, 16])


def _mask(length: int, span: int) -> np.ndarray:
    place = np.arange(length)
    return np.abs(place[:, None] - place) < span


@given(LENGTHS, SPANS)
def test_pairs_are_those_of_the_mask(length: int, span: int) -> None:
    assert band_pairs(length, span) == int(_mask(length, span).sum())


@given(LENGTHS, SPANS, SIZES)
def test_a_tile_belongs_to_the_band_where_the_mask_has_a_pair_in_it(
    length: int, span: int, size: int
) -> None:
    mask = _mask(length, span)
    for row in range(-(-length // size)):
        seen = mask[row * size : (row + 1) * size].any(axis=0)
        tiles = [t for t in range(0, length, size) if seen[t : t + size].any()]
        assert band_columns(row, length, span, size) == (
            tiles[0], min(length, tiles[-1] + size),
        )  # fmt: skip
