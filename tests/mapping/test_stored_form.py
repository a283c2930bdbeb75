"""Stored form: packing into banks, by an oracle that packs element by element in plain Python."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.ir.optrace import OpTrace
from edgesim.mapping.embedding import stored_table
from edgesim.mapping.planner import Mapper
from edgesim.mapping.stored import column_tiles, mask_lanes, weight_chunks
from edgesim.sim.counts import product_counts

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=13))
SIZES = st.sampled_from([2, 4, 8])


def bank_rows(mask: NDArray[np.bool_], vector_size: int) -> int:
    """Rows that packing fills: every non-zero goes to the bank of its lane, one below the last."""
    banks: list[list[tuple[int, int]]] = [[] for _ in range(vector_size)]
    for column in range(mask.shape[0]):
        for element in range(mask.shape[1]):
            if mask[column, element]:
                banks[element % vector_size].append((column, element))
    return max(len(bank) for bank in banks)


def live_vectors(mask: NDArray[np.bool_], vector_size: int) -> int:
    return sum(
        bool(mask[column, start : start + vector_size].any())
        for column in range(mask.shape[0])
        for start in range(0, mask.shape[1], vector_size)
    )


@given(MASKS, SIZES)
def test_rows_of_a_tile_are_those_of_packing_it_element_by_element(
    mask: NDArray[np.bool_], n: int
) -> None:
    tiles = column_tiles(mask, n)
    for number, rows in enumerate(tiles.lane_nonzeros.max(axis=1)):
        part = mask[number * n : (number + 1) * n]
        assert rows == bank_rows(part, n)
        assert tiles.live_vectors[number] == live_vectors(part, n)
    assert tiles.nonzeros == mask.sum()


@given(MASKS, SIZES, st.integers(1, 4000), st.integers(1, 9), st.integers(0, 9))
def test_chunks_cover_the_matrix_once_and_hold_what_packing_them_holds(
    mask: NDArray[np.bool_], n: int, chunk_bits: int, element_bits: int, bias_bits: int
) -> None:
    chunks = weight_chunks(column_tiles(mask, n), element_bits, bias_bits, chunk_bits)
    reduction_tiles = -(-mask.shape[1] // n)
    start = 0
    for chunk in chunks:
        part = mask[start * n : (start + chunk.column_tiles) * n]
        mask_bits = chunk.column_tiles * n * reduction_tiles * n
        packed = bank_rows(part, n) * n * element_bits
        assert chunk.stored_bits == packed + mask_bits + chunk.column_tiles * n * bias_bits
        assert chunk.mask_bits == mask_bits
        assert chunk.nonzeros == part.sum()
        assert chunk.live_vectors == live_vectors(part, n)
        assert chunk.stored_bits <= chunk_bits or chunk.column_tiles == 1
        start += chunk.column_tiles
    assert start == -(-mask.shape[0] // n)


@given(MASKS, SIZES, st.integers(1, 9), st.integers(1, 5), st.integers(8, 32), st.randoms())
def test_a_table_is_packed_in_blocks_of_rows_in_placement_order(
    mask: NDArray[np.bool_], n: int, bits: int, per_block: int, pointer: int, random: object
) -> None:
    rows, width = mask.shape
    order = list(range(rows))
    random.shuffle(order)  # type: ignore[attr-defined]
    table = stored_table("t", mask_lanes(mask, n), width, np.array(order), bits, per_block, pointer)
    row_mask_bits = -(-width // n) * n
    for block, start in enumerate(range(0, rows, per_block)):
        members = order[start : start + per_block]
        packed = bank_rows(mask[members], n) * n * bits
        assert table.block_bits[block] == packed + len(members) * row_mask_bits + n * pointer
        for place, row in enumerate(members):
            own = bank_rows(mask[[row]], n) * n * bits
            assert table.row_read_bits[row] == n * pointer + (place + 1) * row_mask_bits + own


def permuted(trace: OpTrace, name: str, order: NDArray[np.int64]) -> OpTrace:
    """The trace with the reduction axis of one weight permuted."""
    mask = trace.weight_mask(name)[:, order]
    return dataclasses.replace(trace, masks={**trace.masks, name: np.packbits(mask)})


def striped_trace() -> OpTrace:
    """A weight of density 1/4 whose non-zeros fill whole vectors of four."""
    trace = bert_like(BertShape(width=16, heads=2, hidden=16, layers=1))
    mask = np.zeros((16, 16), dtype=np.bool_)
    mask[:, :4] = True
    return dataclasses.replace(trace, masks={"layer1.up.weight": np.packbits(mask)})


def test_permuting_columns_at_equal_density_changes_gating_and_stored_rows() -> None:
    """n = 4, 16 columns of 16: non-zeros in elements 0-3 fill one vector of four per column and
    all four banks; moved to elements 0, 4, 8, 12 they fill one element of every vector, one bank.
    """
    trace = striped_trace()
    spread = np.argsort([i % 4 * 4 + i // 4 for i in range(16)], kind="stable")
    other = permuted(trace, "layer1.up.weight", spread)
    chip = toy_chip("edgebert-n4")
    found = []
    for each in (trace, other):
        mapper = Mapper(each, chip)
        plan = mapper.layer(1, 4)
        (up,) = [op for op in plan.ops if op.name == "layer1.up"]
        counts = {(c.unit, c.action): c for c in product_counts(up, chip, 8)}
        bits = sum(chunk.stored_bits for chunk in up.chunks)
        found.append((
            bits, counts["pu", "mac"].count, counts["pu", "mac_gated"].count,
            counts["operand0", "data_read"].bits, mapper.placement.stored_bits["encoder_weight"],
        ))  # fmt: skip
    dense, thin = found
    fixed = 16 * 16 + 16 * 8
    assert dense[0] == 16 * 4 * 8 + fixed
    assert thin[0] == 64 * 4 * 8 + fixed
    assert (dense[1], dense[2]) == (4 * 16 * 4, 4 * 16 * 12)
    assert (thin[1], thin[2]) == (4 * 16 * 16, 0)
    assert dense[3] == thin[3] == 64 * 8
    assert thin[4] - dense[4] == thin[0] - dense[0]


@settings(max_examples=20, deadline=None)
@given(st.permutations(list(range(16))))
def test_no_permutation_changes_how_many_elements_are_stored(order: list[int]) -> None:
    trace = striped_trace()
    other = permuted(trace, "layer1.up.weight", np.array(order))
    chip = toy_chip("edgebert-n4")
    nonzeros = [Mapper(t, chip).placement.weights["layer1.up.weight"].nonzeros for t in
                (trace, other)]  # fmt: skip
    assert nonzeros == [64, 64]
