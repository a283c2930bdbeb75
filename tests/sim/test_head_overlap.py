"""`sfu.overlap: per_head`: softmax of one head beside the products of another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timelines import intervals, shared_ticks
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.mapping.planner import Mapper
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology

FREE_HOST = {
    "host.pu_config_writes": 0, "host.sfu_config_writes": 0, "host.pu_interrupt_cycles": 0,
    "host.sfu_interrupt_cycles": 0, "pu.pipeline_fill_cycles": 0, "sfu.pipeline_fill_cycles": 0,
}  # fmt: skip


def loop(heads: int, rows: int, size: int) -> SegmentPlan:
    def op(kind: str, unit: str, reduction: int, columns: int) -> PlannedOp:
        return PlannedOp(kind, kind, unit, rows, reduction, columns, heads, (rows,))

    return SegmentPlan("layer 1", 1, rows, (
        op("attention_scores", "pu", size, rows), op("softmax", "sfu", rows, rows),
        op("attention_context", "pu", rows, size),
    ))  # fmt: skip


def play(plan: SegmentPlan, overlap: str, **overrides: object) -> EventLog:
    chip = toy_chip(overrides={"sfu.overlap": overlap, **overrides})
    return simulate_segment(plan, chip, load_technology())


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(1, 70), st.sampled_from([16, 32, 64]))
def test_overlap_is_never_slower_than_none(heads: int, rows: int, size: int) -> None:
    plan = loop(heads, rows, size)
    assert play(plan, "per_head").duration_ticks <= play(plan, "none").duration_ticks


@pytest.mark.parametrize(("rows", "size"), [(64, 16), (64, 64), (16, 64)])
def test_the_schedule_is_the_one_computed_by_hand(rows: int, size: int) -> None:
    """n = 16 and a host that takes no time. A product of t tiles takes 16 t + 32 cycles (drain
    included), softmax 3 rows · rows / 16. The PU plays s0 s1 c0 s2 c1 s3 c2 c3, softmax of head h
    starts behind s_h and the one before, c_h waits for softmax of head h.
    """
    heads = 4
    scores = 16 * (rows // 16) * (rows // 16) * (size // 16) + 32
    context = scores
    softmax = 3 * rows * (rows // 16)
    pu, sfu = 0, 0
    masked: list[int] = []
    for head in range(heads + 1):
        if head < heads:
            pu += scores
            sfu = max(sfu, pu) + softmax
            masked.append(sfu)
        if head > 0:
            pu = max(pu, masked[head - 1]) + context
    log = play(loop(heads, rows, size), "per_head", **FREE_HOST)
    assert log.duration_ticks == pu * 1000
    alone = play(loop(heads, rows, size), "none", **FREE_HOST)
    assert alone.duration_ticks == heads * (scores + softmax + context) * 1000


def test_overlap_shows_in_the_timeline_and_none_does_not() -> None:
    shape = BertShape(width=64, heads=4, hidden=128, layers=1)
    for overlap, expected in (("none", False), ("per_head", True)):
        chip = toy_chip(overrides={"sfu.overlap": overlap})
        plan = Mapper(bert_like(shape), chip).layer(1, 48)
        log = simulate_segment(plan, chip, load_technology())
        assert (shared_ticks(intervals(log, "pu"), intervals(log, "sfu")) > 0) == expected


def test_overlap_changes_when_things_happen_and_not_how_much() -> None:
    amounts = []
    for overlap in ("none", "per_head"):
        log = play(loop(3, 40, 32), overlap)
        amounts.append({(r.unit, r.action, r.op): (r.count, r.bits) for r in log.activity()})
    assert amounts[0] == amounts[1]
