"""ALBERT-base at 128 tokens on n = 16, full depth: the cycle sums that DESIGN states, and above.

The sums count every product at one n-cubed tile per n cycles and every special-function pass; the
simulated total adds command overhead, movement ops, and transfers that nothing hides.
"""

from __future__ import annotations

from functools import lru_cache

import pytest
from timelines import exposed_dma_ticks, intervals, merged
from toy_traces import ALBERT_BASE, bert_like, toy_chip

from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.mapping.planner import Mapper
from edgesim.sim.analytic import segment_ticks
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology

STATED_S = {"pipelined": 45e-3, "fsm_ii": 53e-3, "fsm": 65e-3}


@lru_cache(maxsize=3)
def played(schedule: str) -> tuple[tuple[SegmentPlan, ...], tuple[EventLog, ...]]:
    chip = toy_chip(overrides={"sfu.schedule": schedule})
    mapper = Mapper(bert_like(ALBERT_BASE), chip)
    plans = [mapper.embedding(128, None)]
    plans += [mapper.layer(index, 128) for index in range(1, 13)]
    plans.append(mapper.ramp(12, 128))
    technology = load_technology()
    return tuple(plans), tuple(simulate_segment(p, chip, technology) for p in plans)


def pure_cycles(log: EventLog) -> int:
    """Busy cycles of PU and SFU, without host and transfers."""
    return sum(
        row.count for row in log.activity() if row.unit in ("pu", "sfu") and row.action == "busy"
    )


def products_by_hand() -> int:
    """Cycles of a layer's products: tiles of 16³ at 16 cycles, per the dimensions of ALBERT."""
    dense = 4 * (8 * 48 * 48) + 2 * (8 * 48 * 192)
    attention = 12 * 2 * (8 * 8 * 4)
    return 16 * (dense + attention)


@pytest.mark.parametrize("schedule", STATED_S)
def test_the_cycle_sums_are_those_of_the_design_document(schedule: str) -> None:
    _, logs = played(schedule)
    seconds = sum(pure_cycles(log) for log in logs) / 1e9
    assert seconds == pytest.approx(STATED_S[schedule], rel=0.02)


def test_products_take_their_tiles_and_a_fill_per_command() -> None:
    plans, logs = played("pipelined")
    row = [r for r in logs[1].activity() if (r.unit, r.action) == ("pu", "busy")]
    commands = sum(op.repeats for op in plans[1].ops if op.unit == "pu")
    assert commands == 6 + 2 * 12
    assert sum(r.count for r in row) == products_by_hand() + commands * (2 * 16 + 8)


@pytest.mark.parametrize("schedule", STATED_S)
def test_the_simulated_total_lies_above_the_sums_by_host_work_and_exposed_transfers(
    schedule: str,
) -> None:
    """At most 15 %: the 393 kB activation does not fit, so a layer moves 2.4 times its compulsory
    traffic, and loads of spilled tensors are not hidden.
    """
    plans, logs = played(schedule)
    chip = toy_chip(overrides={"sfu.schedule": schedule})
    technology = load_technology()
    total = sum(log.duration_ticks for log in logs)
    pure = sum(pure_cycles(log) for log in logs) * 1000
    exposed = sum(exposed_dma_ticks(log) for log in logs)
    host = sum(b - a for log in logs for a, b in merged(intervals(log, "host")))
    assert pure < total < 1.15 * pure
    assert total == pure + exposed + host
    assert sum(segment_ticks(p, chip, technology) for p in plans) <= total


def test_weights_of_a_layer_stream_again_for_every_application() -> None:
    """Shared layers too: nothing that large fits on chip."""
    plans, logs = played("pipelined")
    assert len({plan.traffic_bits for plan in plans[1:13]}) == 1
    assert len({log.duration_ticks for log in logs[1:13]}) == 1
    weights = 4 * 768 * 768 + 2 * 768 * 3072
    assert plans[1].compulsory_bits > 9 * weights
