"""Faults in stored weights: what a flipped mask bit does to its lane, and repeatable draws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from twins.stored_weights import unpack_plainly

from edgesim.errors import InputError
from edgesim.functional.faults import (
    CellFaults,
    StoredTensor,
    cell_faults,
    damage,
    store,
    widened_to,
)
from edgesim.functional.faults.stored import unpack
from edgesim.ir.packed_layout import PackedLayout
from edgesim.numerics import parse_format
from edgesim.tech import load_technology

FORMAT = parse_format("adaptivfloat<8,3>")


def row_layout(rows: int, width: int, n: int, rows_per_block: int) -> PackedLayout:
    """A table scanned row by row."""
    element_of = np.arange(rows * width, dtype=np.int32).reshape(-1, n)
    starts = np.arange(0, rows + 1, rows_per_block) * (width // n)
    return PackedLayout("table", (rows, width), element_of, starts)


def random_tensor(seed: int = 1, rows: int = 24, width: int = 16) -> StoredTensor:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, width)) * (rng.random((rows, width)) < 0.5)
    return store(row_layout(rows, width, 4, 6), FORMAT.quantize(values), FORMAT)


def all_blocks(stored: StoredTensor) -> np.ndarray:
    return np.arange(stored.layout.num_blocks)


def wide(medium: str, rate: float) -> CellFaults:
    return widened_to(cell_faults(load_technology(), medium), rate)


def test_lanes_hold_their_non_zeros_in_scan_order_and_blocks_start_anew() -> None:
    values = np.array([[1.0, 0, 0, 2], [3, 4, 0, 0], [0, 0, 5, 6], [7, 0, 0, 0]])
    layout = row_layout(4, 4, 2, 2)
    stored = store(layout, values, FORMAT)
    assert stored.row_starts.tolist() == [0, 2, 4]
    assert stored.table[stored.rows].tolist() == [[1, 2], [3, 4], [5, 6], [7, 0]]
    assert stored.mask.tolist() == [[1, 0], [0, 1], [1, 1], [0, 0], [0, 0], [1, 1], [1, 0], [0, 0]]
    assert (stored.data_bits, stored.mask_bits) == (8 * 8, 16)


def test_a_mask_bit_that_vanishes_shifts_what_follows_in_its_lane_and_nothing_else() -> None:
    values = np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]])
    stored = store(row_layout(4, 2, 2, 2), values, FORMAT)
    mask = stored.mask.copy()
    mask[0, 0] = 0
    read = stored.table[unpack(stored, stored.rows, mask, all_blocks(stored))]
    assert read.tolist() == [[0, 2], [1, 4], [5, 6], [7, 8]]


def test_a_mask_bit_that_appears_shifts_the_other_way_and_reads_zero_behind_the_block() -> None:
    values = np.array([[1.0, 2], [0, 4], [3, 6], [5, 8]])
    stored = store(row_layout(4, 2, 2, 2), values, FORMAT)
    mask = stored.mask.copy()
    mask[1, 0] = 1
    read = stored.table[unpack(stored, stored.rows, mask, all_blocks(stored))]
    assert read.tolist() == [[1, 2], [0, 4], [3, 6], [5, 8]]  # one padded row was there
    mask[:2, 1] = [0, 1]
    mask[0, 0], mask[1, 0] = 0, 1
    read = stored.table[unpack(stored, stored.rows, mask, all_blocks(stored))]
    assert read.tolist() == [[0, 0], [1, 2], [3, 6], [5, 8]]
    full = store(row_layout(2, 2, 2, 2), np.array([[0.0, 2], [3, 0]]), FORMAT)
    mask = np.ones_like(full.mask)
    read = full.table[unpack(full, full.rows, mask, all_blocks(full))]
    assert read.tolist() == [[3, 2], [0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_the_kernel_reads_what_its_plain_twin_reads(seed: int) -> None:
    stored = random_tensor(seed)
    rng = np.random.default_rng(seed)
    mask = stored.mask ^ (rng.random(stored.mask.shape) < 0.2).astype(np.uint8)
    rows = rng.integers(0, 256, stored.rows.shape).astype(np.uint8)
    fast = unpack(stored, rows, mask, all_blocks(stored))
    assert np.array_equal(fast, unpack_plainly(stored, rows, mask))
    whole = unpack(stored, stored.rows, stored.mask, all_blocks(stored))
    assert np.array_equal(whole, stored.scanned)


@pytest.mark.parametrize("medium", ["reram_slc", "reram_mlc2", "reram_mlc3"])
def test_damage_is_what_decoding_the_faulty_memory_gives(medium: str) -> None:
    stored = random_tensor()
    cells = wide(medium, 0.02)
    found = damage(stored, cells, cells, np.random.default_rng(1), np.random.default_rng(2))
    rows, mask = stored.rows.copy(), stored.mask.copy()
    from edgesim.functional.faults.injection import flip_cells

    counts = (
        flip_cells(rows.reshape(-1), 8, cells, np.random.default_rng(1))[0],
        flip_cells(mask.reshape(-1), 1, cells, np.random.default_rng(2))[0],
    )
    assert (found.data_faults, found.mask_faults) == counts
    read = unpack_plainly(stored, rows, mask)
    expected = stored.table[stored.scanned].reshape(-1).copy()
    expected[found.elements] = found.values
    assert np.array_equal(expected.astype(np.float32), stored.table[read].reshape(-1).astype("f4"))
    assert len(found.elements) == (read != stored.scanned).sum()


def test_same_generators_same_damage_and_the_mask_does_not_disturb_the_codes() -> None:
    stored, cells = random_tensor(), wide("reram_mlc3", 0.05)
    rngs = lambda: (np.random.default_rng(7), np.random.default_rng(8))  # noqa: E731
    first, again = (damage(stored, cells, cells, *rngs()) for _ in range(2))
    assert np.array_equal(first.elements, again.elements)
    assert np.array_equal(first.values, again.values)
    without = damage(stored, cells, None, *rngs())
    assert without.mask_faults == 0
    assert without.data_faults == first.data_faults


def test_no_faults_change_nothing() -> None:
    stored, never = random_tensor(), cell_faults(load_technology(), "reram_slc")
    for cells in (None, never):
        found = damage(stored, cells, cells, np.random.default_rng(1), np.random.default_rng(2))
        assert (found.data_faults, found.mask_faults, len(found.elements)) == (0, 0, 0)


def test_a_dense_tensor_has_no_mask_and_keeps_its_places() -> None:
    values = np.array([0.0, 1, 0, 2, 3])
    index = np.array([[0, 1, 2, 3], [4, -1, -1, -1]], dtype=np.int32)
    layout = PackedLayout("bias", (5,), index, np.array([0, 2]), masked=False)
    stored = store(layout, values, FORMAT)
    assert (stored.data_bits, stored.mask_bits) == (64, 0)
    cells = wide("reram_mlc2", 0.2)
    found = damage(stored, cells, cells, np.random.default_rng(1), np.random.default_rng(2))
    assert found.mask_faults == 0
    assert 0 < len(found.elements) <= 5
    assert found.elements.max() < 5


def test_narrow_codes_are_packed_bit_by_bit() -> None:
    number_format = parse_format("adaptivfloat<6,3>")
    values = number_format.quantize(np.random.default_rng(1).normal(size=(8, 8)))
    stored = store(row_layout(8, 8, 4, 4), values, number_format)
    assert stored.data_bits == stored.rows.size * 6
    cells = wide("reram_mlc3", 0.2)
    found = damage(stored, cells, None, np.random.default_rng(1), np.random.default_rng(2))
    assert np.isin(found.values, stored.table.astype(np.float32)).all()


def test_formats_that_a_mask_cannot_serve_are_refused() -> None:
    layout = row_layout(2, 2, 2, 2)
    for name in ("affine<8>", "binary", "float16"):
        with pytest.raises(InputError, match="cannot rest behind a bitmask"):
            store(layout, np.array([[0.0, -1], [2, 3]]), parse_format(name))
    with pytest.raises(InputError, match="NaN"):
        store(layout, np.array([[0.0, np.nan], [2, 3]]), FORMAT)
    with pytest.raises(InputError, match="layout"):
        store(dataclasses.replace(layout, shape=(4, 1)), np.zeros((2, 2)), FORMAT)
