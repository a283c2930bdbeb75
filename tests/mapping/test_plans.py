"""Plans: how large activations are cut, what moves, what the host takes over."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import ALBERT_BASE, BertShape, bert_like, toy_chip

from edgesim.errors import InfeasibleError
from edgesim.ir.ops import Activation, Add, MatMul
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper

SMALL = BertShape(width=32, heads=2, hidden=64, layers=1)


@lru_cache(maxsize=1)
def albert_mapper() -> Mapper:
    return Mapper(bert_like(ALBERT_BASE), toy_chip())


def test_the_wide_activation_of_albert_is_spilled_and_cut_in_row_blocks() -> None:
    """128 × 3072 bytes = 393 kB lie in no 128 KiB memory, nor in both; 32 rows of it do."""
    mapper = albert_mapper()
    plan = mapper.layer(1, 128)
    wide = mapper.trace.tensors["layer1.bend.out"].num_elements(128)
    assert wide == 393216 > 2 * 128 * 1024
    assert "layer1.bend.out" in plan.spilled_tensors
    ops = {op.name: op for op in plan.ops}
    up, down = ops["layer1.up"], ops["layer1.down"]
    assert [spill.tensor for spill in up.stores] == ["layer1.bend.out"]
    assert up.stores[0].bits == 9 * wide
    assert [spill.tensor for spill in down.loads] == ["layer1.bend.out"]
    assert down.order == "row_blocked"
    assert down.row_blocks == (32, 32, 32, 32)
    assert 32 * 3072 <= 128 * 1024 < 48 * 3072
    assert down.weight_passes == 4
    assert plan.traffic_bits > 2 * plan.compulsory_bits


def test_albert_has_its_published_macs_a_layer_at_128_tokens() -> None:
    """Issue: 931.1 MMAC a layer."""
    mapper = albert_mapper()
    bound = segment_bound(mapper.layer(1, 128), mapper.trace, mapper.chip)
    assert bound.macs == pytest.approx(931.1e6, rel=1e-4)
    assert bound.compute_s == pytest.approx(931.1e6 / 256 / 1e9, rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 70), st.sampled_from([2, 4, 8, 16]), st.sampled_from([4, 6, 16]),
    st.sampled_from([0.3, 1.0]),
)  # fmt: skip
def test_every_segment_covers_its_rows_and_moves_at_least_what_it_must(
    num_tokens: int, n: int, kibibytes: int, density: float
) -> None:
    trace = bert_like(dataclasses.replace(SMALL, density=density))
    size = f"{kibibytes} KiB"
    chip = toy_chip(
        f"edgebert-n{n}",
        {"buffers.operand0.data": size, "buffers.operand1.data": size, "dma.chunk": "512 B"},
    )
    mapper = Mapper(trace, chip)
    for plan in (mapper.embedding(num_tokens, None), mapper.layer(1, num_tokens),
                 mapper.ramp(1, num_tokens)):  # fmt: skip
        assert plan.traffic_bits >= plan.compulsory_bits
        largest = max((c.stored_bits for op in plan.ops for c in op.chunks), default=0)
        pool = 2 * 8 * 1024 * kibibytes - plan.stream_slots * largest
        assert plan.resident_bits_peak <= pool
        for op in (op for op in plan.ops if op.unit == "pu"):
            assert sum(op.row_blocks) == op.rows
            assert all(rows % n == 0 and rows > 0 for rows in op.row_blocks[:-1])
            if op.chunks:
                assert sum(c.column_tiles for c in op.chunks) == -(-op.columns // n)


def test_what_a_segment_spills_is_stored_once_and_loaded_by_every_reader() -> None:
    trace = bert_like(SMALL)
    plan = Mapper(trace, toy_chip(overrides={
        "buffers.operand0.data": "2 KiB", "buffers.operand1.data": "2 KiB",
        "dma.chunk": "512 B"})).layer(1, 48)  # fmt: skip
    assert plan.spilled_tensors
    for name in plan.spilled_tensors:
        stores = [s for op in plan.ops for s in (*op.stores, *op.entry_stores) if s.tensor == name]
        assert len(stores) == 1
        readers = [o for o in trace.layers[0].ops if name in o.inputs and o.kind != "activation"]
        loads = [s for op in plan.ops for s in op.loads if s.tensor == name]
        assert len(loads) == sum(op.inputs.count(name) for op in readers)


def test_without_a_second_medium_a_wide_activation_is_infeasible() -> None:
    chip = toy_chip(overrides={"placement.activation": ["sram"]})
    mapper = Mapper(bert_like(ALBERT_BASE), chip)
    with pytest.raises(InfeasibleError, match=r"placement\.activation") as caught:
        mapper.layer(1, 128)
    record = caught.value.infeasible
    assert getattr(record, "gap", 0) > 0
    assert getattr(record, "bound", 0) > 0
    assert mapper.layer(1, 8).spilled_tensors == ()


def gelu_less(fallback: str = "host", **more: object) -> dict[str, object]:
    return {"pu.activation_functions": ["relu"], "host.fallback": fallback, **more}


def planned(trace: OpTrace, overrides: dict[str, object], num_tokens: int = 16) -> SegmentPlan:
    return Mapper(trace, toy_chip(overrides=overrides)).layer(1, num_tokens)


def test_what_the_chip_lacks_is_a_host_op_with_its_tensors_moved_or_infeasible() -> None:
    trace = bert_like(SMALL)
    (bend,) = [op for op in planned(trace, gelu_less()).ops if op.name == "layer1.bend"]
    assert bend.unit == "host"
    assert [(s.tensor, s.bits) for s in bend.stores] == [("layer1.up.out", 16 * 64 * 9)]
    assert [(s.tensor, s.bits) for s in bend.loads] == [("layer1.bend.out", 16 * 64 * 9)]
    with pytest.raises(InfeasibleError, match=r"layer1\.bend \(activation\)"):
        planned(trace, gelu_less("none"))
    (fused,) = [op for op in planned(trace, {}).ops if op.name == "layer1.bend"]
    assert fused.unit == "fused"


def test_all_missing_ops_are_named_at_once() -> None:
    with pytest.raises(InfeasibleError) as caught:
        planned(bert_like(SMALL), gelu_less("none", **{"sfu.vector_ops": []}))
    assert "layer1.bend (activation)" in str(caught.value)
    assert "layer1.turn (relayout)" in str(caught.value)


def test_a_host_op_without_a_writable_storage_is_infeasible() -> None:
    trace = bert_like(dataclasses.replace(SMALL, exits=False))
    media = ["reram_mlc2"]
    chip = toy_chip(overrides=gelu_less(**{
        "placement.embedding_weight": media, "placement.encoder_weight": media,
        "placement.offramp_weight": media, "placement.activation": ["sram"]}))  # fmt: skip
    bare = chip.model_copy(update={"storage": {"reram": chip.storage["reram"]}})
    with pytest.raises(InfeasibleError, match="no writable storage"):
        Mapper(trace, bare).layer(1, 8)


def test_an_activation_is_not_fused_when_its_raw_input_is_read_again() -> None:
    trace = bert_like(SMALL)
    layer = trace.layers[0]
    ops = tuple(
        Add(op.name, ("layer1.up.out", op.inputs[0]), op.output)
        if isinstance(op, Activation)
        else op
        for op in layer.ops
    )
    bend = Activation("layer1.extra", ("layer1.up.out",), "layer1.extra.out", "gelu")
    at = next(i for i, op in enumerate(ops) if op.name == "layer1.bend")
    ops = (*ops[:at], bend, Add("layer1.bend", ("layer1.up.out", bend.output), ops[at].output),
           *ops[at + 1 :])  # fmt: skip
    extra = dataclasses.replace(trace.tensors["layer1.up.out"], name=bend.output)
    reread = dataclasses.replace(
        trace, layers=(dataclasses.replace(layer, ops=ops),),
        tensors={**trace.tensors, bend.output: extra},
    )  # fmt: skip
    plan = planned(reread, {})
    units = {op.name: op.unit for op in plan.ops}
    assert units["layer1.extra"] == "host"


def test_a_fused_activation_is_written_at_its_own_density() -> None:
    trace = bert_like(dataclasses.replace(SMALL, activation="relu"))
    thin = dataclasses.replace(trace.tensors["layer1.bend.out"], density=0.25)
    trace = dataclasses.replace(trace, tensors={**trace.tensors, "layer1.bend.out": thin})
    (up,) = [op for op in planned(trace, {}).ops if op.name == "layer1.up"]
    assert up.output_density == 0.25


def test_values_computed_between_scores_and_context_move_ahead_of_the_heads() -> None:
    """A trace may compute V after the scores; its product must then precede its relayout."""
    trace = bert_like(SMALL)
    layer = trace.layers[0]
    v = next(op for op in layer.ops if op.name == "layer1.v")
    rest = [op for op in layer.ops if op is not v]
    at = next(i for i, op in enumerate(rest) if op.name == "layer1.softmax")
    late = (*rest[:at], v, *rest[at:])
    assert isinstance(v, MatMul)
    moved = dataclasses.replace(trace, layers=(dataclasses.replace(layer, ops=late),))
    names = [op.name.removeprefix("layer1.") for op in planned(moved, {}).ops]
    order = [names.index(n) for n in ("v", "turn", "scores", "softmax", "context")]
    assert order == sorted(order)
    assert order[2:] == list(range(order[2], order[2] + 3))
