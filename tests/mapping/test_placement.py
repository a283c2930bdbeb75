"""Placement: capacity is enforced, spilling goes block by block, most frequent tokens first."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.errors import InfeasibleError, InputError
from edgesim.hw.spec import storage_family
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.optrace import OpTrace
from edgesim.mapping.placement import Placement, place
from edgesim.mapping.planner import Mapper

SMALL = BertShape(width=32, heads=2, hidden=64, layers=1, vocabulary=640, max_tokens=64)


def counted_trace(seed: int = 0, density: float = 0.4) -> OpTrace:
    trace = bert_like(dataclasses.replace(SMALL, density=density, seed=seed))
    counts = np.random.default_rng(seed).integers(0, 1000, 640)
    return dataclasses.replace(trace, token_counts=counts)


def placed(trace: OpTrace, **overrides: object) -> Placement | Infeasible:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return place(trace, toy_chip(overrides=dotted))


def test_the_most_frequent_tokens_stay_in_the_first_medium_in_whole_blocks() -> None:
    trace = counted_trace()
    result = placed(trace, storage__reram__capacity="6 KiB")
    assert isinstance(result, Placement)
    table = result.tables["token"]
    media = table.media_of(np.arange(640))
    inside, outside = (np.flatnonzero(media == number).tolist() for number in (0, 1))
    assert len(inside) + len(outside) == 640
    assert len(inside) % 64 == 0
    blocks = len(inside) // 64
    assert 0 < blocks < 10
    assert table.bits_in(0) == table.table.block_bits[:blocks].sum()
    assert table.bits_in(0) + table.table.block_bits[blocks] > 8 * 6 * 1024 - sum(
        other.bits_in(0) for name, other in result.tables.items() if name != "token"
    )
    counts = trace.token_counts
    assert counts is not None
    assert counts[inside].min() >= counts[outside].max()
    assert table.read(inside[0]).medium == "reram_mlc2"
    assert table.read(outside[0]).medium == "lpddr4"
    assert result.spilled_bits["embedding_weight"] == table.bits_in(1)
    assert "spill behind their first medium" in result.notes[0]


def test_tokens_of_equal_count_are_placed_by_number() -> None:
    trace = dataclasses.replace(counted_trace(), token_counts=np.zeros(640, dtype=np.int64))
    result = placed(trace, storage__reram__capacity="6 KiB")
    assert isinstance(result, Placement)
    media = result.tables["token"].media_of(np.arange(640)).tolist()
    assert media == sorted(media)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 64), st.integers(0, 5), st.sampled_from([0.1, 0.5, 1.0]))
def test_no_medium_holds_more_than_its_capacity_and_no_bit_is_lost(
    kibibytes: int, seed: int, density: float
) -> None:
    trace = counted_trace(seed, density)
    chip = toy_chip(
        overrides={
            "storage.reram.capacity": f"{kibibytes} KiB", "storage.lpddr4.capacity": "48 KiB",
            "placement.encoder_weight": ["reram_mlc2", "lpddr4"],
        }
    )  # fmt: skip
    result = place(trace, chip)
    if isinstance(result, Infeasible):
        assert result.gap > 0
        return
    used = dict.fromkeys(chip.storage, 0)
    for table in result.tables.values():
        for index, medium in enumerate(table.media):
            used[storage_family(medium)] += table.bits_in(index)
    for weight in result.weights.values():
        used[storage_family(weight.medium)] += weight.stored_bits
    for family, bits in used.items():
        assert bits <= 8 * chip.storage[family].capacity_bytes  # type: ignore[index]
    assert sum(used.values()) == sum(result.stored_bits.values())
    for table, width in itertools.product(result.tables.values(), [32]):
        assert table.table.stored_bits == sum(table.bits_in(i) for i in range(len(table.media)))
        assert table.table.stored_bits >= trace.weight_mask(table.table.name).sum() * 8 + width


def test_one_medium_that_is_too_small_is_infeasible_with_the_gap_and_the_knobs() -> None:
    result = placed(
        counted_trace(), storage__reram__capacity="6 KiB",
        placement__embedding_weight=["reram_mlc2"],
    )  # fmt: skip
    assert isinstance(result, Infeasible)
    assert result.gap > 0
    assert result.unit == "bytes"
    assert "storage.reram.capacity" in result.levers
    assert "placement.embedding_weight" in result.levers
    assert "token in reram_mlc2" in result.message()


def test_the_mapper_raises_what_placement_returns() -> None:
    chip = toy_chip(overrides={"storage.lpddr4.capacity": "1 KiB"})
    with pytest.raises(InfeasibleError, match=r"storage\.lpddr4\.capacity") as caught:
        Mapper(counted_trace(), chip)
    assert isinstance(caught.value.infeasible, Infeasible)


def test_shared_layers_are_stored_once() -> None:
    chip = toy_chip()
    one = place(bert_like(dataclasses.replace(SMALL, shared=True)), chip)
    six = place(bert_like(dataclasses.replace(SMALL, shared=True, layers=6)), chip)
    apart = place(bert_like(dataclasses.replace(SMALL, layers=6)), chip)
    assert isinstance(one, Placement)
    assert isinstance(six, Placement)
    assert isinstance(apart, Placement)
    assert one.stored_bits["encoder_weight"] == six.stored_bits["encoder_weight"]
    assert apart.stored_bits["encoder_weight"] > 5 * six.stored_bits["encoder_weight"]


def test_a_sentence_reads_its_own_rows_and_positions_only() -> None:
    mapper = Mapper(counted_trace(), toy_chip(overrides={"storage.reram.capacity": "6 KiB"}))
    ids = np.array([5, 600, 5])
    plan = mapper.embedding(4, ids)
    table = mapper.placement.tables["token"]
    tokens = [read for read in plan.embedding_reads if read.table == "token"]
    assert tokens == [table.read(5), table.read(600), table.read(5), table.read(0)]
    assert sum(read.table == "position" for read in plan.embedding_reads) == 4


@pytest.mark.parametrize("ids", [[640], [-1], [0, 1, 2, 3, 4]])
def test_tokens_that_the_table_lacks_are_refused(ids: list[int]) -> None:
    with pytest.raises(InputError, match="0 to 639"):
        Mapper(counted_trace(), toy_chip()).embedding(4, np.array(ids))
