"""A latency target through `simulate`, the sweep's evaluator, the timeline and the command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import edgesim as es
from edgesim.cli.command_line import main
from edgesim.errors import InputError
from edgesim.ir.encoder_trace import ALBERT_BASE, encoder_trace
from edgesim.ir.predictor import ExitPredictor
from edgesim.ir.request import RunRequest
from edgesim.ir.result import SimResult
from edgesim.ir.workload import Workload
from edgesim.pipeline.evaluate import Evaluator

TARGET_S = 1.5e-3


@pytest.fixture(scope="module")
def workload() -> Workload:
    whole = es.find_model("minilm-sst2-ee").workload()
    few = slice(0, 24)
    return Workload(
        "few", whole.num_tokens[few], whole.entropies[few], whole.logits[few], whole.labels[few],
        whole.token_ids[few], predictor=whole.predictor,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trace() -> es.ir.optrace.OpTrace:
    return es.find_model("minilm-sst2-ee").trace()


@pytest.fixture(scope="module")
def aware(workload: Workload, trace: object) -> SimResult:
    return es.simulate(
        trace, es.load_chip("edgebert-n16"), workload=workload, exit_policy=es.EntropyExit(0.15),
        latency_target_s=TARGET_S,
    )  # fmt: skip


def test_an_entropy_exit_with_a_target_follows_the_forecast(
    aware: SimResult, workload: Workload
) -> None:
    assert aware.settings["strategy"] == "latency-aware"
    policy = es.ForecastExit(0.15, workload.predictor)
    layers = [row.exit_layer for row in aware.sentences]
    assert layers == policy.exit_layers(workload.entropies).tolist()
    answers = workload.logits[np.arange(24), np.array(layers) - 1].argmax(axis=1)
    assert aware.accuracy == pytest.approx((answers == workload.labels).mean())


def test_shares_sum_to_one_and_misses_are_counted(aware: SimResult) -> None:
    use = aware.voltage
    assert use is not None
    parts = (use.lowest_fraction, use.between_fraction, use.full_speed_fraction)
    assert sum(parts) + use.first_layer_fraction == pytest.approx(1)
    late = [row for row in aware.sentences if row.latency_s > TARGET_S]
    assert use.missed_fraction == pytest.approx(len(late) / 24)
    assert [row.met_target for row in aware.sentences].count(False) == len(late)
    assert sum(p.time_fraction for p in use.points) == pytest.approx(1)
    assert sum(p.energy_fraction for p in use.points) == pytest.approx(1)


def test_breakdowns_sum_to_the_energy_over_operating_points(aware: SimResult) -> None:
    for group in ("unit", "kind", "layer"):
        rows = [row for row in aware.breakdown if row.group == group]
        assert sum(r.energy_j.value for r in rows) == pytest.approx(aware.energy_j.value)
    assert len(aware.operating_points) > 1
    assert "ldo.slew_ns_per_v" in {use.entry for use in aware.sources}


def test_slowing_down_saves_chip_energy_and_not_that_of_dram(
    workload: Workload, trace: object
) -> None:
    chip = es.load_chip("edgebert-n16")
    full = es.simulate(trace, chip, workload=workload)
    slow = es.simulate(trace, chip, workload=workload, latency_target_fraction=2.0)
    assert slow.latency_s.value > 1.5 * full.latency_s.value
    assert slow.accuracy == full.accuracy
    assert slow.chip_energy_j.value < full.chip_energy_j.value
    assert slow.offchip_energy_j.value > full.offchip_energy_j.value
    assert slow.host_energy_j.value == pytest.approx(full.host_energy_j.value, rel=1e-3)


def test_without_a_predictor_the_voltage_is_planned_for_full_depth(
    workload: Workload, trace: object
) -> None:
    blind = dataclasses.replace(workload, predictor=None)
    chip = es.load_chip("edgebert-n16")
    options = {"exit_policy": es.EntropyExit(0.15), "latency_target_s": TARGET_S}
    result = es.simulate(trace, chip, workload=blind, **options)
    assert result.settings["strategy"] == "entropy"
    assert result.voltage.average_planned_layer == 6
    assert any("planned for full depth" in note for note in result.notes)
    with pytest.raises(InputError, match="the workload holds none"):
        es.simulate(trace, chip, workload=blind, strategy="latency-aware", **options)


def test_strategies_that_disagree_with_the_policy_are_refused(
    workload: Workload, trace: object
) -> None:
    chip = es.load_chip("edgebert-n16")
    for strategy, words in (("fixed", "exit layer"), ("entropy", "exit threshold"),
                            ("sideways", "allowed: no-exit")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            es.simulate(trace, chip, workload=workload, strategy=strategy)
    with pytest.raises(InputError, match="needs a latency target"):
        es.simulate(
            trace, chip, workload=workload, strategy="latency-aware",
            exit_policy=es.EntropyExit(0.2),
        )  # fmt: skip
    with pytest.raises(InputError, match="has no voltage-frequency pairs"):
        es.simulate(trace, es.load_chip("tx2-maxn"), workload=workload, latency_target_s=1)


def test_the_sweep_evaluator_agrees_with_simulate(
    workload: Workload, trace: object, aware: SimResult
) -> None:
    evaluator = Evaluator(trace, workload)
    chip = es.load_chip("edgebert-n16")
    request = RunRequest.of(exit_threshold=0.15, latency_target_s=TARGET_S)
    for _ in range(2):
        assert evaluator.figures(chip, request) == aware.figures


def test_albert_base_at_128_meets_50_75_and_100_ms_at_falling_voltages() -> None:
    trace = encoder_trace(ALBERT_BASE)
    entropies = np.full((1, 12), 0.6)
    forecasts = np.where(np.arange(2, 12) < 10, 0.6, 0.1)[None]
    table = ExitPredictor(np.array([0.0]), forecasts, "below 0.28 from layer 10 on")
    workload = Workload("one", np.array([128]), entropies, None, None, predictor=table)
    chip, voltages = es.load_chip("edgebert-n16"), []
    for target_s in (0.05, 0.075, 0.1):
        result = es.simulate(
            trace, chip, workload=workload, pad_to=128, exit_policy=es.EntropyExit(0.28),
            latency_target_s=target_s,
        )  # fmt: skip
        assert result.accuracy is None
        assert result.average_exit_layer == 10
        assert result.voltage.missed_fraction == 0
        assert result.latency_s.value <= target_s
        voltages.append(result.voltage.points[0].voltage_v)
    assert voltages[0] > voltages[1] > voltages[2] >= 0.5


def test_results_are_saved_and_read_back(aware: SimResult, tmp_path: Path) -> None:
    aware.save(tmp_path / "r.json")
    assert SimResult.load(tmp_path / "r.json") == aware
    assert json.loads((tmp_path / "r.json").read_text())["voltage"]["points"]


def test_the_workload_keeps_its_predictor(workload: Workload, tmp_path: Path) -> None:
    workload.save(tmp_path / "w.npz")
    again = Workload.load(tmp_path / "w.npz")
    assert np.array_equal(again.predictor.forecasts, workload.predictor.forecasts)
    assert again.content_hash() == workload.content_hash()
    assert dataclasses.replace(workload, predictor=None).content_hash() != workload.content_hash()


def test_the_timeline_shows_the_change_and_every_segments_point(
    workload: Workload, trace: object
) -> None:
    content = es.timeline(
        trace, es.load_chip("edgebert-n16"), workload=workload, latency_target_fraction=2.0
    )
    spans = [e for e in content["traceEvents"] if e["ph"] == "X"]
    assert {"slew", "settle"} <= {e["args"].get("action") for e in spans}
    points = [e["args"]["operating_point"] for e in spans if e["cat"] == "segment"]
    assert points[0] == "1000 MHz at 0.8 V"
    assert points[-1] != points[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--latency-target", "1us"], "below the fastest possible run"),
        (["--latency-target", "fast"], "number with a unit of seconds"),
        (["--latency-target", "-1"], "above 0"),
        (["--latency-target-fraction", "nan"], "above 0"),
        (["--strategy", "latency-aware"], "needs an exit threshold"),
        (["--exit-layer", "9"], "the model has 6 layers"),
        (["--exit-threshold", "0.2", "--predictor", "nowhere.csv"], "no such file"),
        (["--latency-target", "1", "--chip", "edgebert-hls"], "no voltage-frequency pairs"),
        (["--entropies", "nowhere.csv"], "needs --pad-to"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "minilm-sst2-ee", *options]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_a_predictor_table_of_another_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("0.0,0.5,0.4\n0.1,0.5,0.4\n")
    command = ["run", "minilm-sst2-ee", "--exit-threshold", "0.2", "--predictor", str(table)]
    assert main(command) == 2
    assert "of 4 layers, the model has 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fraction", "left_out"), [("0.25", 2), ("1.5", 0)], ids=["a quarter", "one and a half"]
)
def test_strategies_that_cannot_meet_a_target_are_left_out_and_named(
    fraction: str, left_out: int, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["strategies", "minilm-sst2-ee", "--latency-target-fraction", fraction]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.count("no sentence could end in time, left out") == left_out
    assert "latency-aware, target |" in said


def test_a_target_that_no_strategy_meets_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["strategies", "minilm-sst2-ee", "--latency-target-fraction", "0.1"]
    assert main(command) == 2
    assert "below the fastest possible run" in capsys.readouterr().err
