"""Stored layouts: every weight once, in its lane, in as many bits as the placement counts."""

from __future__ import annotations

import numpy as np
import pytest
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.errors import InputError
from edgesim.functional.faults import store
from edgesim.mapping.layouts import (
    WEIGHT_CLASSES,
    dense_layout,
    matrix_layout,
    stored_layouts,
    table_layout,
)
from edgesim.mapping.placement import Placement, place
from edgesim.numerics import parse_format
from edgesim.units import ceil_div

FORMAT = parse_format("adaptivfloat<8,3>")


@pytest.mark.parametrize("n", [4, 8, 16])
@pytest.mark.parametrize("tensor_class", WEIGHT_CLASSES)
def test_stored_bits_are_those_that_the_placement_counts(n: int, tensor_class: str) -> None:
    """The placement adds pointers of embedding blocks, which the stored form leaves out."""
    trace = bert_like(BertShape(density=0.4))
    chip = toy_chip(overrides={"pu.vector_size": n, "dma.chunk": "1 KiB"})
    placed = place(trace, chip)
    assert isinstance(placed, Placement)
    bits = pointers = vectors = 0
    biases = {op.bias for op in trace.all_ops() if getattr(op, "bias", None)}
    for layout in stored_layouts(trace, chip, tensor_class):
        mask = trace.weight_mask(layout.name)
        stored = store(layout, mask.astype(float), FORMAT)
        bits += stored.data_bits + stored.mask_bits
        if tensor_class == "embedding_weight":
            pointers += layout.num_blocks * n * chip.embedding.pointer_bits
        elif not layout.masked:
            size = int(np.prod(layout.shape))
            padded = ceil_div(size, n) * n
            vectors += 8 * (padded - size) * (layout.name not in biases)
    assert bits + pointers - vectors == placed.stored_bits[tensor_class]


def test_products_are_scanned_by_column_tiles_and_reduction_steps() -> None:
    layout = matrix_layout("w", 3, 5, 2, np.array([1, 1]))
    assert layout.element_of.tolist() == [
        [0, 1], [5, 6], [2, 3], [7, 8], [4, -1], [9, -1],
        [10, 11], [-1, -1], [12, 13], [-1, -1], [14, -1], [-1, -1],
    ]  # fmt: skip
    assert layout.block_starts.tolist() == [0, 6, 12]


def test_tables_are_scanned_in_placement_order_with_a_block_per_pointer() -> None:
    layout = table_layout("t", 3, 3, 2, np.array([2, 0, 1]), 2)
    assert layout.element_of.tolist() == [[6, 7], [8, -1], [0, 1], [2, -1], [3, 4], [5, -1]]
    assert layout.block_starts.tolist() == [0, 4, 6]


@pytest.mark.parametrize(
    "layout",
    [
        matrix_layout("w", 37, 21, 8, np.array([2, 3])),
        table_layout("t", 50, 13, 4, np.arange(50)[::-1].copy(), 16),
        dense_layout("b", (13,), 4),
    ],
)
def test_every_element_rests_once_in_the_lane_of_its_position(layout) -> None:  # type: ignore[no-untyped-def]
    n = layout.vector_size
    real = layout.element_of >= 0
    assert sorted(layout.element_of[real]) == list(range(int(np.prod(layout.shape))))
    lanes = np.broadcast_to(np.arange(n), layout.element_of.shape)
    assert (layout.element_of[real] % layout.shape[-1] % n == lanes[real]).all()
    assert layout.block_starts[-1] == len(layout.element_of)


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(InputError, match="allowed: embedding_weight, encoder_weight"):
        stored_layouts(bert_like(BertShape()), toy_chip(), "activation")
