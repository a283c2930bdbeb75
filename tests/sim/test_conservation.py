"""What goes in comes out: MACs, gating, weight reads and transfers against independent counts."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.mapping.planner import Mapper
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology

SMALL = BertShape(width=64, heads=4, hidden=128, layers=1, density=0.4)


def plans_of(trace: OpTrace, chip: AcceleratorSpec, num_tokens: int) -> list[SegmentPlan]:
    mapper = Mapper(trace, chip)
    return [mapper.embedding(num_tokens, None), mapper.layer(1, num_tokens),
            mapper.ramp(1, num_tokens)]  # fmt: skip


def total(log: EventLog, unit: str, action: str, op: str | None = None) -> tuple[int, int]:
    """Count and bits of an action."""
    rows = [r for r in log.activity() if (r.unit, r.action) == (unit, action)]
    rows = [r for r in rows if op is None or r.op == op]
    return sum(r.count for r in rows), sum(r.bits for r in rows)


def tiles_of(op: PlannedOp, n: int) -> int:
    rows = sum(math.ceil(block / n) for block in op.row_blocks)
    return rows * math.ceil(op.reduction / n) * math.ceil(op.columns / n) * op.repeats


CHIPS: dict[str, dict[str, object]] = {
    "as shipped": {},
    "spilling": {"buffers.operand0.data": "4 KiB", "buffers.operand1.data": "4 KiB",
                 "dma.chunk": "512 B"},
    "tight": {"buffers.operand0.data": "3 KiB", "buffers.operand1.data": "3 KiB",
              "dma.chunk": "512 B", "placement.embedding_weight": ["lpddr4"]},
    "host": {"pu.activation_functions": [], "sfu.vector_ops": []},
    "overlap": {"sfu.overlap": "per_head"},
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CHIPS)), st.sampled_from([2, 8, 16]), st.integers(1, 60))
def test_nothing_is_lost_between_plan_and_log(name: str, n: int, num_tokens: int) -> None:
    chip = toy_chip(f"edgebert-n{n}", CHIPS[name])
    trace = bert_like(SMALL)
    technology = load_technology()
    for plan in plans_of(trace, chip, num_tokens):
        log = simulate_segment(plan, chip, technology)
        assert total(log, "dma", "transfer")[1] == plan.traffic_bits, plan.label
        media = [m for m in log.unit_names if m in ("lpddr4", "reram_mlc2")]
        moved = sum(total(log, m, action)[1] for m in media for action in ("read", "write"))
        assert moved == plan.traffic_bits
        for op in (op for op in plan.ops if op.unit == "pu"):
            executed, gated = (total(log, "pu", a, op.name)[0] for a in ("mac", "mac_gated"))
            assert executed + gated == tiles_of(op, n) * n**3, op.name
            if op.chunks:
                row_tiles = sum(math.ceil(block / n) for block in op.row_blocks)
                nonzeros = sum(chunk.nonzeros for chunk in op.chunks)
                assert total(log, "operand0", "data_read", op.name)[1] == nonzeros * 8 * row_tiles


@pytest.mark.parametrize("n", [2, 4, 8, 16, 32])
def test_dense_products_execute_the_macs_of_the_model_and_gate_only_padding(n: int) -> None:
    """64 and 32 divide by every n, so a dense model at 32 tokens gates nothing."""
    shape = dataclasses.replace(SMALL, density=1.0, heads=2)
    trace = bert_like(shape)
    chip = toy_chip(f"edgebert-n{n}")
    log = simulate_segment(plans_of(trace, chip, 32)[1], chip, load_technology())
    assert total(log, "pu", "mac_gated")[0] == 0
    assert total(log, "pu", "mac")[0] == sum(trace.op_macs(op, 32) for op in trace.layers[0].ops)


def test_attention_is_counted_once_per_head_and_not_per_pair_of_heads() -> None:
    """Literature: scores and context take S² · width MACs each, whatever the number of heads."""
    found = []
    for heads in (1, 2, 4):
        trace = bert_like(dataclasses.replace(SMALL, heads=heads))
        chip = toy_chip("edgebert-n16")
        log = simulate_segment(plans_of(trace, chip, 32)[1], chip, load_technology())
        found.append(total(log, "pu", "mac", "layer1.scores")[0])
        assert total(log, "sfu", "softmax")[0] == heads * 32 * 32
    assert found == [32 * 32 * 64] * 3


def test_weight_reads_follow_the_mask() -> None:
    dense, thin = (
        bert_like(dataclasses.replace(SMALL, density=density)) for density in (1.0, 0.25)
    )
    chip = toy_chip()
    reads = []
    for trace in (dense, thin):
        log = simulate_segment(plans_of(trace, chip, 16)[1], chip, load_technology())
        reads.append(total(log, "operand0", "data_read", "layer1.up")[1])
        nonzeros = int(trace.weight_mask("layer1.up.weight").sum())
        assert reads[-1] == nonzeros * 8
    assert reads[1] < 0.3 * reads[0]


def test_an_all_zero_weight_gates_every_mac_and_saves_no_cycle() -> None:
    trace = bert_like(dataclasses.replace(SMALL, density=1.0))
    nothing = np.packbits(np.zeros((128, 64), dtype=np.bool_))
    empty = dataclasses.replace(trace, masks={"layer1.up.weight": nothing})
    chip = toy_chip(overrides={"storage.lpddr4.port": "4096 bit"})
    logs = [simulate_segment(plans_of(t, chip, 16)[1], chip, load_technology())
            for t in (trace, empty)]  # fmt: skip
    assert total(logs[1], "pu", "mac", "layer1.up")[0] == 0
    busy = [total(log, "pu", "busy", "layer1.up")[0] for log in logs]
    assert busy[0] == busy[1]


def test_a_host_op_moves_its_tensor_out_and_back_through_the_channel() -> None:
    trace = bert_like(SMALL)
    plan = plans_of(trace, toy_chip(overrides=CHIPS["host"]), 16)[1]
    chip = toy_chip(overrides=CHIPS["host"])
    log = simulate_segment(plan, chip, load_technology())
    elements = 16 * 128
    assert total(log, "host", "compute", "layer1.bend")[0] == elements
    assert total(log, "lpddr4", "write", "layer1.bend") == (1, 9 * elements)
    assert total(log, "lpddr4", "read", "layer1.bend") == (1, 9 * elements)
    (row,) = [r for r in log.activity() if (r.action, r.op) == ("compute", "layer1.bend")]
    assert row.busy_ticks == elements * 4 * 1000
    onchip = toy_chip()
    fused = simulate_segment(plans_of(trace, onchip, 16)[1], onchip, load_technology())
    assert total(fused, "pu", "activation") == (elements, 0)
    assert log.duration_ticks - fused.duration_ticks > row.busy_ticks


def test_a_table_on_the_host_is_read_row_by_row_all_the_same() -> None:
    trace = bert_like(SMALL)
    chip = toy_chip(overrides=CHIPS["host"])
    plan = plans_of(trace, chip, 12)[0]
    log = simulate_segment(plan, chip, load_technology())
    reads = sum(read.bits for read in plan.embedding_reads)
    assert total(log, "reram_mlc2", "read") == (24, reads)
