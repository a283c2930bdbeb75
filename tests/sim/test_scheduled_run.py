"""Voltage per sentence: the slowest point that meets the target, simulated where it runs."""

from __future__ import annotations

import numpy as np
import pytest
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.errors import ChipError, InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.exits import EntropyExit, ExitDecision, FixedExit, ForecastExit, FullDepth
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.predictor import ExitPredictor
from edgesim.ir.run import SimulationRun
from edgesim.mapping.planner import Mapper
from edgesim.sim.operating_points import (
    CHANGE,
    change_ticks,
    operating_points,
    pairs_left_out,
)
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import load_technology

SHAPE = BertShape(width=64, heads=2, hidden=128, layers=4, vocabulary=640, max_tokens=64)
TABLES = load_technology()
PREDICTOR = ExitPredictor(np.array([0.0, 0.5]), np.array([[0.1, 0.1], [0.5, 0.1]]), "by hand")


def scheduled(
    decision: ExitDecision, target: LatencyTarget, tokens: list[int],
    chip: AcceleratorSpec | None = None,
) -> SimulationRun:  # fmt: skip
    used = chip or toy_chip()
    simulator = ScheduledSimulator(Mapper(bert_like(SHAPE), used), used, TABLES)
    return simulator.run(np.array(tokens), decision, target)


def full_speed_ticks(tokens: list[int], layers: list[int], ramps: str) -> np.ndarray:
    chip = toy_chip()
    simulator = WorkloadSimulator(Mapper(bert_like(SHAPE), chip), chip, TABLES)
    run = simulator.run(np.array(tokens), np.array(layers), ramps)  # type: ignore[arg-type]
    return run.latency_ticks()


def decide(policy: object, rows: list[list[float]]) -> ExitDecision:
    return policy.decide(np.array(rows), len(rows), SHAPE.layers)  # type: ignore[attr-defined]


UNSURE = [0.6, 0.6, 0.6, 0.6]


def test_the_slowest_point_that_meets_the_target_is_taken_and_the_next_slower_misses() -> None:
    decision = decide(FullDepth(), [UNSURE])
    chip = toy_chip()
    points, _ = operating_points(chip, TABLES)
    for fraction in (1.05, 1.2, 1.4, 1.5, 3.0):
        run = scheduled(decision, LatencyTarget(fraction=fraction), [32])
        schedule = run.schedule
        assert schedule is not None
        assert not schedule.missed[0]
        number = int(schedule.chosen[0])
        if number == 0:
            continue
        slower = points[number - 1]
        pairs = [{"voltage": f"{slower.voltage_v} V", "frequency": f"{slower.frequency_hz} Hz"}]
        only = toy_chip(overrides={"voltage_scaling.pairs": pairs})
        other = scheduled(decision, LatencyTarget(fraction=fraction), [32], only)
        assert other.schedule is not None
        assert other.schedule.chosen[0] == 1


def test_a_generous_target_leads_to_the_lowest_voltage_and_a_tight_one_to_full_speed() -> None:
    decision = decide(FullDepth(), [UNSURE, UNSURE])
    slow = scheduled(decision, LatencyTarget(fraction=5.0), [16, 40]).schedule
    fast = scheduled(decision, LatencyTarget(fraction=1.0), [16, 40])
    assert slow is not None
    assert slow.chosen.tolist() == [0, 0]
    assert fast.schedule is not None
    assert (fast.schedule.chosen == len(slow.points) - 1).all()
    assert not fast.schedule.missed.any()
    whole = full_speed_ticks([16, 40], [4, 4], "last")
    assert fast.latency_ticks().tolist() == whole.tolist()


def test_layer_one_runs_at_full_speed_and_the_rest_at_one_point() -> None:
    run = scheduled(decide(FullDepth(), [UNSURE]), LatencyTarget(fraction=2.0), [32])
    segments = [run.segments[i] for i in run.sentence_segments[0]]
    labels = [segment.label for segment in segments]
    assert labels[:3] == ["embedding", "layer 1", CHANGE]
    points = [segment.point for segment in segments]
    assert len({p.number for p in points[:3]}) == 1
    assert len({p.number for p in points[3:]}) == 1
    assert points[0].frequency_hz == 1e9
    assert points[-1].frequency_hz < 1e9
    played = {s.point.number for s in run.segments if s.point is not None and len(s.log.op)}
    assert played == {points[0].number, points[-1].number}


def test_a_change_takes_the_slew_of_its_voltage_step_and_the_settling() -> None:
    points, _ = operating_points(toy_chip(), TABLES)
    slew, settle = TABLES.value("ldo.slew_ns_per_v"), TABLES.value("adpll.settling_ns")
    expected = round(1000 * slew * 0.3) + round(1000 * settle)
    assert abs(change_ticks(points[-1], points[0], TABLES) - expected) <= 1
    assert change_ticks(points[0], points[0], TABLES) == 0
    run = scheduled(decide(FullDepth(), [UNSURE]), LatencyTarget(fraction=9.0), [32])
    (change,) = [s for s in run.segments if s.label == CHANGE]
    assert change.log.duration_ticks == change_ticks(points[-1], points[0], TABLES)
    assert change.log.action_names == ("settle", "slew")


def test_a_sentence_that_leaves_after_layer_one_changes_nothing() -> None:
    decision = decide(EntropyExit(0.2), [[0.1, 0.5, 0.5, 0.5], UNSURE])
    run = scheduled(decision, LatencyTarget(fraction=2.0), [32, 32])
    schedule = run.schedule
    assert schedule is not None
    assert schedule.decided.tolist() == [False, True]
    labels = [run.segments[i].label for i in run.sentence_segments[0]]
    assert labels == ["embedding", "layer 1", "off-ramp 1"]


def test_a_forecast_exit_plans_for_its_layer_and_runs_the_ramps_on_the_way() -> None:
    policy = ForecastExit(0.2, PREDICTOR)
    decision = decide(policy, [UNSURE])
    assert decision.planned_layers.tolist() == [3]
    run = scheduled(decision, LatencyTarget(fraction=1.0), [32])
    labels = [run.segments[i].label for i in run.sentence_segments[0]]
    assert [x for x in labels if x.startswith("off")] == ["off-ramp 1", "off-ramp 2", "off-ramp 3"]
    quiet = decide(ForecastExit(0.2, PREDICTOR, check_on_the_way=False), [UNSURE])
    run = scheduled(quiet, LatencyTarget(fraction=1.0), [32])
    labels = [run.segments[i].label for i in run.sentence_segments[0]]
    assert [x for x in labels if x.startswith("off")] == ["off-ramp 1", "off-ramp 3"]


def test_a_fixed_exit_runs_one_ramp_and_no_layer_behind_it() -> None:
    decision = FixedExit(2).decide(None, 1, SHAPE.layers)
    run = scheduled(decision, LatencyTarget(fraction=1.0), [32])
    labels = [run.segments[i].label for i in run.sentence_segments[0] if i >= 0]
    assert labels == ["embedding", "layer 1", CHANGE, "layer 2", "off-ramp 2"]


def test_a_planned_sentence_that_leaves_earlier_is_never_late() -> None:
    rows = [[0.6, 0.1, 0.1, 0.1], UNSURE]
    decision = decide(EntropyExit(0.2), rows)
    run = scheduled(decision, LatencyTarget(fraction=1.6), [32, 32])
    assert run.schedule is not None
    assert not run.schedule.missed.any()
    ticks = run.latency_ticks()
    assert ticks[0] < ticks[1] <= run.schedule.target_ticks[1]


def test_what_does_not_fit_stays_at_full_speed_and_is_counted_as_missed() -> None:
    decision = decide(FullDepth(), [UNSURE, UNSURE])
    short, long = full_speed_ticks([8, 60], [4, 4], "last")
    run = scheduled(decision, LatencyTarget(seconds=(short + 1) / 1e12), [8, 60])
    assert run.schedule is not None
    assert run.schedule.missed.tolist() == [False, True]
    assert run.latency_ticks()[1] == long


def test_a_target_below_the_fastest_run_is_refused_at_the_tick() -> None:
    decision = decide(FullDepth(), [UNSURE])
    (ticks,) = full_speed_ticks([32], [4], "last").tolist()
    scheduled(decision, LatencyTarget(seconds=ticks / 1e12), [32])
    with pytest.raises(InputError, match="below the fastest possible run"):
        scheduled(decision, LatencyTarget(seconds=(ticks - 1) / 1e12), [32])


def test_memory_keeps_its_rate_when_the_core_slows_unless_the_port_is_the_limit() -> None:
    """Off-ramp weights stream from LPDDR4; at a 64-bit port the port is the limit."""

    def stream_ticks(port: str, frequency_hz: float) -> int:
        chip = toy_chip(overrides={"storage.lpddr4.port": port}).at(frequency_hz, 0.8)
        simulator = WorkloadSimulator(Mapper(bert_like(SHAPE), chip), chip, TABLES)
        run = simulator.run(np.array([8]), np.array([1]), "every")
        log = next(s.log for s in run.segments if s.label == "layer 1")
        mine = log.unit == log.unit_names.index("lpddr4")
        return int((log.end_ticks - log.start_ticks)[mine].sum())

    assert stream_ticks("64 bit", 5e8) > 1.5 * stream_ticks("64 bit", 1e9)
    assert stream_ticks("512 bit", 5e8) < 1.05 * stream_ticks("512 bit", 1e9)


def test_pairs_must_rise_and_tables_must_exist() -> None:
    falling = [{"voltage": "0.6 V", "frequency": "700 MHz"},
               {"voltage": "0.5 V", "frequency": "500 MHz"}]  # fmt: skip
    with pytest.raises(ChipError, match=r"pair 2 \(0.5 V, 500 MHz\) must lie above pair 1"):
        toy_chip(overrides={"voltage_scaling.pairs": falling})
    with pytest.raises(ChipError, match="edgebert_silicon, edgebert_simulated"):
        operating_points(toy_chip(overrides={"voltage_scaling.table": "elsewhere"}), TABLES)
    with pytest.raises(ChipError, match="no voltage-frequency pairs"):
        operating_points(toy_chip("edgebert-hls"), TABLES)


def test_the_shipped_pairs_span_the_recalled_range_in_25_mv_steps() -> None:
    points, entries = operating_points(toy_chip(), TABLES)
    volts = [point.voltage_v for point in points]
    assert volts == pytest.approx(np.arange(0.5, 0.8001, 0.025).tolist())
    assert points[0].frequency_hz / points[-1].frequency_hz == pytest.approx(0.518, abs=1e-3)
    assert len(entries) == 13
    overrides = {
        "voltage_scaling.table": "edgebert_silicon", "clock.frequency": "717 MHz",
        "clock.voltage": "1.0 V",
    }  # fmt: skip
    silicon = toy_chip(overrides=overrides)
    measured, _ = operating_points(silicon, TABLES)
    assert [(p.voltage_v, p.frequency_hz) for p in measured] == [
        (0.62, 77e6), (0.68, 336e6), (0.78, 480e6), (0.86, 586e6), (1.0, 717e6)
    ]  # fmt: skip


def test_pairs_at_or_above_the_chips_own_clock_are_left_out_and_named() -> None:
    pairs = [{"voltage": "0.5 V", "frequency": "500 MHz"},
             {"voltage": "0.9 V", "frequency": "1200 MHz"}]  # fmt: skip
    chip = toy_chip(overrides={"voltage_scaling.pairs": pairs})
    points, _ = operating_points(chip, TABLES)
    assert [point.voltage_v for point in points] == [0.5, 0.8]
    assert pairs_left_out(chip, TABLES) == ("1200 MHz at 0.9 V",)
    assert pairs_left_out(toy_chip(), TABLES) == ()
