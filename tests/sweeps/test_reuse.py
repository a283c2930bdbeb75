"""Reuse changes no result, saves work, and its key leaves out nothing that the engine reads."""

from __future__ import annotations

import itertools
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from toy_traces import toy_chip

import edgesim as es
from edgesim.hw.loader import load_chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import RunRequest
from edgesim.ir.workload import Workload
from edgesim.mapping.planner import Mapper
from edgesim.pipeline.evaluate import Evaluator
from edgesim.sim.player import simulate_segment
from edgesim.sim.segment_logs import SegmentLogs, timed_text
from edgesim.tech import load_technology

CHIPS: list[dict[str, Any]] = [
    {**voltage, **cell, **size}
    for voltage, cell, size in itertools.product(
        ({}, {"clock.voltage": "0.7 V"}),
        ({}, {"placement.embedding_weight": ["reram_slc", "lpddr4"]}),
        ({}, {"storage.reram.capacity": "1 KiB"}, {"pu.vector_size": 8}),
    )
]
RUNS = [RunRequest.of(exit_threshold=threshold) for threshold in (None, 0.5, 0.0, 0.2)]


def every_point(evaluator: Evaluator) -> str:
    records = []
    for overrides in CHIPS:
        chip = load_chip("edgebert-n16", overrides)
        records += [evaluator.figures(chip, request).to_json() for request in RUNS]
    return json.dumps(records, sort_keys=True)


def test_reuse_gives_the_same_bytes_and_takes_less_time(trace: OpTrace, workload: Workload) -> None:
    every_point(Evaluator(trace, workload))
    begin = time.perf_counter()
    reused = every_point(Evaluator(trace, workload))
    middle = time.perf_counter()
    fresh = every_point(Evaluator(trace, workload, reuse=False))
    assert reused == fresh
    assert middle - begin < 0.5 * (time.perf_counter() - middle)


def test_figures_are_those_of_simulate(trace: OpTrace, workload: Workload) -> None:
    evaluator = Evaluator(trace, workload)
    for overrides in CHIPS[:4]:
        chip = load_chip("edgebert-n16", overrides)
        for request in RUNS:
            result = es.simulate(trace, chip, workload=workload, exit_policy=request.exit_policy)
            assert evaluator.figures(chip, request) == result.figures


def test_a_change_of_voltage_or_technology_plays_nothing_again(
    trace: OpTrace, workload: Workload
) -> None:
    evaluator = Evaluator(trace, workload)
    before = evaluator.figures(load_chip("edgebert-n16"), RunRequest.of(exit_threshold=0.3))
    plays = evaluator.logs.plays
    chip = load_chip("edgebert-n16", {"clock.voltage": "0.7 V"})
    after = evaluator.figures(chip, RunRequest.of(exit_threshold=0.3))
    assert evaluator.logs.plays == plays
    assert after.latency_s == before.latency_s
    assert after.energy_j != before.energy_j


def test_a_change_of_clock_plays_everything_again(trace: OpTrace, workload: Workload) -> None:
    evaluator = Evaluator(trace, workload)
    evaluator.figures(load_chip("edgebert-n16"), RunRequest.of(exit_threshold=0.3))
    plays = evaluator.logs.plays
    evaluator.figures(
        load_chip("edgebert-n16", {"clock.frequency": "500 MHz"}), RunRequest.of(exit_threshold=0.3)
    )
    assert evaluator.logs.plays == 2 * plays


def test_the_engine_reads_nothing_that_the_key_leaves_out(trace: OpTrace) -> None:
    """The engine runs on a chip that has only the keyed parts, and storage for media timings."""
    chip = toy_chip()
    buffers = SimpleNamespace(
        operand0=SimpleNamespace(ports=chip.buffers.operand0.ports),
        operand1=SimpleNamespace(ports=chip.buffers.operand1.ports),
    )
    keyed = json.loads(timed_text(chip))
    parts = {name: getattr(chip, name) for name in keyed if name not in ("clock", "buffers")}
    clock = SimpleNamespace(frequency_hz=chip.clock.frequency_hz)
    blind: Any = SimpleNamespace(
        clock=clock, buffers=buffers, storage=chip.storage, can_write=chip.can_write, **parts
    )
    mapper, technology = Mapper(trace, chip), load_technology()
    for plan in (mapper.embedding(9, None), mapper.layer(1, 9), mapper.ramp(1, 9)):
        ours, theirs = (simulate_segment(plan, one, technology) for one in (chip, blind))
        assert ours.duration_ticks == theirs.duration_ticks
        assert list(ours.activity()) == list(theirs.activity())


def test_a_full_cache_forgets_the_oldest_log_and_plays_it_again(trace: OpTrace) -> None:
    chip, technology = toy_chip(), load_technology()
    mapper, logs = Mapper(trace, chip), SegmentLogs(max_rows=1)
    mine = logs.of(chip, technology)
    for length in (5, 6, 5):
        mine.log(mapper.layer(1, length))
    assert (logs.plays, logs.hits) == (3, 0)


@pytest.mark.parametrize("name", ["tx2-maxn"])
def test_a_gpu_has_figures_too(name: str, trace: OpTrace, workload: Workload) -> None:
    figures = Evaluator(trace, workload).figures(load_chip(name), RunRequest())
    assert figures.area_mm2 is None
    assert figures.energy_j is not None
