"""The event engine against its closed-form twin and the roofline."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper
from edgesim.sim.analytic import segment_ticks
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology

SMALL = BertShape(width=64, heads=4, hidden=128, layers=1)
SCHEDULES = ("pipelined", "fsm_ii", "fsm")


def segments(trace: OpTrace, chip: AcceleratorSpec, num_tokens: int) -> list[SegmentPlan]:
    mapper = Mapper(trace, chip)
    return [mapper.embedding(num_tokens, None), mapper.layer(1, num_tokens),
            mapper.ramp(1, num_tokens)]  # fmt: skip


@pytest.mark.parametrize("n", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("num_tokens", [1, 7, 20, 33])
def test_without_contention_the_twin_equals_the_engine_to_the_tick(n: int, num_tokens: int) -> None:
    technology = load_technology()
    chip = toy_chip(f"edgebert-n{n}")
    for plan in segments(bert_like(SMALL), chip, num_tokens):
        assert not plan.spilled_tensors
        log = simulate_segment(plan, chip, technology)
        assert log.duration_ticks == segment_ticks(plan, chip, technology), plan.label


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([2, 8, 16]), st.integers(1, 64), st.sampled_from(SCHEDULES),
    st.sampled_from(["1 GHz", "700 MHz", "333 MHz", "1.7 GHz"]), st.sampled_from([8, 24, 64, 512]),
    st.sampled_from(["256 B", "1 KiB", "16 KiB"]), st.sampled_from([0.2, 1.0]),
    st.sampled_from([1, 2, 4]), st.sampled_from(["lpddr4", "reram_slc"]),
)  # fmt: skip
def test_they_agree_at_any_clock_port_chunk_schedule_drain_and_medium(
    n: int, num_tokens: int, schedule: str, clock: str, port: int, chunk: str, density: float,
    drain: int, medium: str,
) -> None:  # fmt: skip
    chip = toy_chip(
        f"edgebert-n{n}",
        {"sfu.schedule": schedule, "clock.frequency": clock, "storage.lpddr4.port": f"{port} bit",
         "dma.chunk": chunk, "pu.drain_vectors_per_cycle": drain,
         "placement.encoder_weight": [medium]},
    )  # fmt: skip
    technology = load_technology()
    trace = bert_like(dataclasses.replace(SMALL, density=density))
    for plan in segments(trace, chip, num_tokens)[1:]:
        log = simulate_segment(plan, chip, technology)
        assert log.duration_ticks == segment_ticks(plan, chip, technology), plan.label


CONTENDED: dict[str, dict[str, object]] = {
    "spills": {},
    "single ports": {"buffers.operand0.ports": "1RW", "buffers.operand1.ports": "1RW"},
    "heads overlap": {"sfu.overlap": "per_head"},
    "one accumulator": {"pu.accumulator_buffers": 1, "pu.operand_tile_buffers": 1},
    "host ops": {"pu.activation_functions": ["relu"], "sfu.vector_ops": []},
    "narrow port": {"storage.lpddr4.port": "8 bit", "storage.lpddr4.capacity": "8 MiB"},
    "tables in DRAM": {"placement.embedding_weight": ["lpddr4"]},
}


@pytest.mark.parametrize("name", CONTENDED)
@pytest.mark.parametrize("kibibytes", [3, 6, 128])
@pytest.mark.parametrize("num_tokens", [5, 48])
def test_with_contention_the_twin_stays_below_and_neither_beats_the_roofline(
    name: str, kibibytes: int, num_tokens: int
) -> None:
    technology = load_technology()
    size = f"{kibibytes} KiB"
    chip = toy_chip(
        "edgebert-n8",
        {"buffers.operand0.data": size, "buffers.operand1.data": size, "dma.chunk": "512 B",
         **CONTENDED[name]},
    )  # fmt: skip
    trace = bert_like(SMALL)
    for plan in segments(trace, chip, num_tokens):
        event = simulate_segment(plan, chip, technology).duration_ticks
        below = segment_ticks(plan, chip, technology)
        bound = segment_bound(plan, trace, chip)
        assert below <= event, plan.label
        assert below >= bound.seconds * 1e12 * (1 - 1e-12), plan.label


def test_the_contended_cases_do_contend() -> None:
    """At least one of them separates engine and twin, or the test above would prove little."""
    technology = load_technology()
    apart = []
    for name, overrides in CONTENDED.items():
        chip = toy_chip("edgebert-n8", {
            "buffers.operand0.data": "3 KiB", "buffers.operand1.data": "3 KiB",
            "dma.chunk": "512 B", **overrides})  # fmt: skip
        plan = segments(bert_like(SMALL), chip, 48)[1]
        gap = simulate_segment(plan, chip, technology).duration_ticks
        apart.append((name, gap > segment_ticks(plan, chip, technology)))
    assert all(separate for _, separate in apart), apart
