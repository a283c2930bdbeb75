"""Counts from packed masks equal the plain twin; a matrix without zeros needs no mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like

from edgesim.ir.optrace import Tensor
from edgesim.ir.size import Size
from edgesim.mapping.stored import (
    ColumnTiles,
    column_tiles,
    dense_column_tiles,
    mask_lanes,
    packed_column_tiles,
    row_lanes,
)


def assert_equal(one: ColumnTiles, other: ColumnTiles) -> None:
    np.testing.assert_array_equal(one.lane_nonzeros, other.lane_nonzeros)
    np.testing.assert_array_equal(one.live_vectors, other.live_vectors)
    assert one.vectors_per_tile == other.vectors_per_tile


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((2, 4, 8, 16, 32, 64)), st.integers(1, 70), st.integers(1, 3),
    st.sampled_from((0.0, 0.02, 0.5, 1.0)), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_kernel_counts_what_the_plain_twin_counts(
    vector_size: int, columns: int, groups: int, density: float, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((columns, groups * 64)) < density
    packed = packed_column_tiles(np.packbits(mask), columns, groups * 64, vector_size)
    assert_equal(packed, column_tiles(mask, vector_size))


@given(st.sampled_from((2, 4, 16, 64)), st.integers(1, 70), st.integers(1, 200))
def test_a_dense_matrix_is_counted_without_a_mask(
    vector_size: int, columns: int, reduction: int
) -> None:
    mask = np.ones((columns, reduction), dtype=np.bool_)
    assert_equal(
        dense_column_tiles(columns, reduction, vector_size), column_tiles(mask, vector_size)
    )


@settings(max_examples=30, deadline=None)
@given(st.sampled_from((2, 8, 16, 32)), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_rows_of_a_table_are_counted_alike_packed_and_plain(
    vector_size: int, rows: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((rows, 96)) < 0.4
    trace = bert_like(BertShape())
    table = Tensor("table", "embedding_weight", (Size(rows), Size(96)))
    trace = replace(
        trace, tensors={"table": table}, masks={"table": np.packbits(mask)}, token_counts=None
    )
    np.testing.assert_array_equal(
        row_lanes(trace, "table", vector_size), mask_lanes(mask, vector_size)
    )
