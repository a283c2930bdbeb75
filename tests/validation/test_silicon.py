"""The test chip: the fit, what its copies add, and a power that replaces those of its parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.errors import ChipError
from edgesim.ir.predictor import ExitPredictor
from edgesim.ir.workload import Workload
from edgesim.mapping.artifact import mapper_for
from edgesim.sim.analytic import segment_ticks
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology
from edgesim.validation import silicon
from edgesim.validation.bench import Bench

SMALL = BertShape(width=64, heads=2, hidden=160, layers=1, density=0.5)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def test_the_table_holds_what_the_fit_to_the_conventional_row_gives(bench: Bench) -> None:
    found, technology = silicon.fit(bench), bench.technology
    copies = technology.value("isscc23.host_copy_cycles_per_word")
    power_mw = technology.value("isscc23.busy_power_mw")
    assert found.copy_cycles_per_word == pytest.approx(copies, rel=1e-3)
    assert found.busy_power_mw == pytest.approx(power_mw, rel=1e-3)
    assert {technology.entry(f"isscc23.{name}").kind for name in (
        "host_copy_cycles_per_word", "busy_power_mw")} == {"fitted"}  # fmt: skip


def test_the_cycles_go_to_copies_and_the_report_says_that_they_are_fitted(bench: Bench) -> None:
    result = silicon.conventional(bench)
    assert result.time_parts_s["host: copies"] > 0.9 * result.latency_s.value
    assert sum(result.time_parts_s.values()) == pytest.approx(result.latency_s.value)
    assert sum(line.startswith("isscc23.") for line in result.fitted) == 2


def test_copies_add_their_cycles_to_every_transfer_and_to_nothing_else() -> None:
    technology = load_technology()
    chip = toy_chip("edgebert-isscc23")
    plan = mapper_for(bert_like(SMALL), chip).layer(1, 32)
    log = simulate_segment(plan, chip, technology)
    bare = simulate_segment(plan, chip.model_copy(update={"silicon": None}), technology)
    per_word = technology.value("isscc23.host_copy_cycles_per_word")
    rows = [r for r in log.activity() if (r.unit, r.action) == ("host", "copy")]
    added = log.duration_ticks - bare.duration_ticks
    assert added == sum(row.busy_ticks for row in rows)
    words = sum(row.bits for row in rows) / 64
    assert added / 1395 == pytest.approx(words * per_word, rel=0.02)
    moved = sum(r.bits for r in log.activity() if (r.unit, r.action) == ("dma", "transfer"))
    assert sum(row.bits for row in rows) == moved
    assert log.duration_ticks == segment_ticks(plan, chip, technology)


@pytest.mark.parametrize(("voltage", "clock"), [("1.0 V", "717 MHz"), ("0.68 V", "336 MHz")])
def test_chip_energy_is_the_measured_power_over_the_time(voltage: str, clock: str) -> None:
    chip = toy_chip("edgebert-isscc23", {"clock.voltage": voltage, "clock.frequency": clock})
    result = es.simulate(bert_like(SMALL), chip, pad_to=32)
    technology = load_technology()
    volts, hertz = chip.clock.voltage_v, chip.clock.frequency_hz
    power_w = 1e-3 * technology.value("isscc23.busy_power_mw") * volts**2 * hertz / 717e6
    assert result.chip_energy_j is not None
    assert result.chip_energy_j.value == pytest.approx(power_w * result.latency_s.value)
    units = {row.name: row for row in result.breakdown if row.group == "unit"}
    assert units["whole chip"].energy_j is not None
    assert units["pu"].energy_j is not None
    assert units["pu"].energy_j.value == 0
    used = {row.entry for row in result.sources}
    assert not any(name.startswith(("pu.n16.mac", "sram.bank", "ldo.")) for name in used)


def test_fewer_heads_and_four_bits_are_faster_and_exits_scale_with_the_layers(
    bench: Bench,
) -> None:
    full, fewer = silicon.layer_times(bench, 12), silicon.layer_times(bench, 5)
    half = silicon.layer_times(bench, 5, fp4=True)
    assert full.layer_s > fewer.layer_s > half.layer_s > 0.5 * fewer.layer_s
    gain = full.at_exit(6.0) - full.at_exit(5.0)
    assert gain == pytest.approx(full.layer_s)


def test_a_lower_target_needs_a_faster_point(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    relaxed = silicon.scaled_inference(bench, 3.9)
    monkeypatch.setattr(silicon, "TARGET_S", 1.3)
    hurried = silicon.scaled_inference(bench, 3.9)
    assert hurried.point > relaxed.point
    assert hurried.latency_s < relaxed.latency_s
    assert hurried.energy_j.value > relaxed.energy_j.value


def test_every_sentence_follows_the_target_and_fp4_lets_it_slow_down(bench: Bench) -> None:
    """Without the authors' entropies no such row; with sentences, FP4 gives slower points."""
    assert silicon.scaled_run_latency_ms(bench).value is None
    early = np.where(np.arange(12) < [[2], [5], [12]], 0.6, 0.01)
    table = ExitPredictor(np.array([0.0, 0.5]), np.tile(np.linspace(0.2, 0.05, 10), (2, 1)), "test")
    sentences = Workload(
        "three", np.full(3, 128), early, None, None, model="ALBERT-base", predictor=table
    )
    own = replace(bench, workload=sentences)
    runs = silicon.scaled_runs(own)
    assert runs is not None
    volts = [sum(p.voltage_v * p.sentence_fraction for p in run.voltage.points) for run in runs]
    assert volts == sorted(volts)
    latency, power = silicon.scaled_run_latency_ms(own), silicon.scaled_run_power_mw(own)
    assert latency.low <= latency.value <= latency.high <= 1e3 * silicon.TARGET_S
    assert power.low < power.value < power.high <= own.technology.value("isscc23.busy_power_mw")
    assert all(run.voltage.missed_fraction == 0 for run in runs)


def test_a_test_chip_without_its_commands_is_refused() -> None:
    section = {
        "copy_cycles_entry": "isscc23.host_copy_cycles_per_word",
        "busy_power_entry": "isscc23.busy_power_mw",
        "fitted_at": {"frequency": "717 MHz", "voltage": "1 V"},
    }
    with pytest.raises(ChipError, match=r"silicon: copies belong to transfers.*add artifact"):
        es.load_chip("edgebert-n16", {"silicon": section})


def test_the_exit_average_that_rests_on_a_row_is_never_shown_as_its_prediction() -> None:
    from edgesim.validation.figure_file import written_figures

    for figure in written_figures():
        if figure.arguments.get("exit_layers") == 3.24 and "early exit" in figure.what:
            assert figure.input_of_model
