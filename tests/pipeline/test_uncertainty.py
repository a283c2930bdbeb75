"""Samples of entries: the mean sentence priced anew, intervals, seeds, conclusions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.cli import main
from edgesim.energy import price
from edgesim.energy.activity import MeanActivity
from edgesim.errors import InputError
from edgesim.hw.spec import Chip
from edgesim.ir.figures import mean_interval
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import RunRequest
from edgesim.ir.uncertainty import Uncertainty
from edgesim.ir.workload import Workload
from edgesim.pipeline.opening import open_run
from edgesim.pipeline.uncertainty import assess_uncertainty
from edgesim.plot.tornado import plot_tornado, tornado_data
from edgesim.report.uncertainty import uncertainty_text
from edgesim.sim.gpu import GpuParameters
from edgesim.sim.gpu_work import MeanKernels
from edgesim.sweeps.sentences import spread_subset
from edgesim.tech import Technology, load_technology
from edgesim.tech.sampling import EntrySampler, family_of, value_at

SHAPE = BertShape(layers=3)
TRACE = bert_like(SHAPE)


def sentences(count: int = 6) -> Workload:
    generator = np.random.default_rng(3)
    tokens = generator.integers(4, 40, count)
    entropies = generator.random((count, SHAPE.layers)) * 0.6
    return Workload("w", tokens, entropies, None, None)


def assessed(
    chip: Chip, against: Chip | None = None, *, trace: OpTrace = TRACE, samples: int = 20,
    simulations: int = 1, seed: int = 0, technology: Technology | None = None, **request: Any,
) -> Uncertainty:  # fmt: skip
    """The uncertainty of a run that keywords ask for, and of the same on another chip."""
    runs = [
        open_run(RunRequest.of(**request), trace, one, technology)
        for one in (chip, against)
        if one is not None
    ]
    return assess_uncertainty(*runs, samples=samples, simulations=simulations, seed=seed)


@pytest.mark.parametrize(
    "name", ["edgebert-n16", "edgebert-n8", "edgebert-hls", "edgebert-isscc23"]
)
def test_the_mean_sentence_is_priced_as_the_whole_run_is(name: str) -> None:
    chip, technology = toy_chip(name), load_technology()
    request = RunRequest(sentences(), es.EntropyExit(0.3))
    played = open_run(request, TRACE, chip, technology).played
    priced = price(played.run, TRACE, chip, technology)
    activity = MeanActivity.of(played.run, chip)
    energy = activity.energy_j(chip, technology)
    assert energy["chip"] == pytest.approx(mean_interval(priced.chip_energy_j).value)
    assert energy["offchip"] == pytest.approx(mean_interval(priced.offchip_energy_j).value)
    assert energy["host"] == pytest.approx(mean_interval(priced.host_energy_j).value)
    assert activity.latency_s == pytest.approx(played.result().latency_s.value)


def test_a_run_at_several_voltages_is_priced_point_by_point() -> None:
    chip, technology = toy_chip(), load_technology()
    result = es.simulate(
        TRACE, chip, workload=sentences(), exit_policy=es.EntropyExit(0.3), latency_target_s=1e-3
    )
    found = assessed(
        chip, workload=sentences(), exit_policy=es.EntropyExit(0.3), latency_target_s=1e-3,
        technology=technology,
    )  # fmt: skip
    energy = {figure.name: figure.sampled for figure in found.figures}
    assert result.energy_j is not None
    assert energy["energy"] is not None
    assert energy["energy"].value == pytest.approx(result.energy_j.value)
    full_speed = es.simulate(TRACE, chip, workload=sentences(), exit_policy=es.EntropyExit(0.3))
    assert result.latency_s.value > full_speed.latency_s.value


def test_under_a_target_clocks_and_changes_move_time_and_energy() -> None:
    request = {"exit_policy": es.EntropyExit(0.3), "latency_target_fraction": 1.5}
    found = assessed(toy_chip(), simulations=4, workload=sentences(), **request)
    widths = {swing.family: swing.width_j for swing in found.swings}
    clocks = "voltage_frequency.edgebert_simulated_*_mv.frequency_mhz"
    assert [name for name in widths if name.startswith("voltage_frequency.")] == [clocks]
    assert min(widths[name] for name in (clocks, "ldo.slew_ns_per_v", "adpll.settling_ns")) > 0
    latency = found.figures[0].sampled
    assert latency is not None
    assert latency.high > 1.01 * latency.low
    bare = assessed(toy_chip(), simulations=4, workload=sentences())
    assert not [s for s in bare.swings if s.family.startswith(("voltage_frequency.", "ldo.slew"))]


def test_on_a_test_chip_the_copies_are_sampled_with_the_time() -> None:
    found = assessed(toy_chip("edgebert-isscc23"), simulations=4, pad_to=16)
    (copies,) = (s for s in found.swings if s.family == "isscc23.host_copy_cycles_per_word")
    assert copies.width_j > 0
    latency = found.figures[0].sampled
    assert latency is not None
    assert latency.low < latency.value < latency.high


def test_the_mean_kernels_take_as_long_as_the_gpu_run() -> None:
    chip, technology = es.load_chip("tx2-maxn"), load_technology()
    for policy in (None, es.EntropyExit(0.3)):
        request = RunRequest.of(workload=sentences(), exit_policy=policy)
        run = open_run(request, TRACE, chip, technology)
        exits = run.inputs.exit_layers if policy else None
        kernels = MeanKernels.of(TRACE, "fp16", run.inputs.num_tokens, exits)
        result = run.result
        parameters = GpuParameters.of("tx2_maxn", "fp16", technology)
        assert kernels.latency_s(parameters) == pytest.approx(result.latency_s.value)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise_from_low_over_the_value_to_high(first: float, second: float) -> None:
    entry = load_technology().entry("lpddr4.read_energy_pj_per_bit")
    assert value_at(entry, 0.0) == pytest.approx(entry.low)
    assert value_at(entry, 0.5) == pytest.approx(entry.value)
    assert value_at(entry, 1.0) == pytest.approx(entry.high)
    low, high = sorted((first, second))
    assert value_at(entry, low) <= value_at(entry, high)


def test_sizes_of_one_figure_share_a_family_and_cell_types_do_not() -> None:
    assert family_of("sram.bank_8192_bytes.read_energy_pj_per_bit") == family_of(
        "sram.bank_4096_bytes.read_energy_pj_per_bit"
    )
    assert family_of("pu.n8.mac_energy_pj") == family_of("pu.n16.mac_energy_pj")
    low, high = (f"voltage_frequency.edgebert_silicon_{mv}_mv.frequency_mhz" for mv in (620, 1000))
    assert family_of(low) == family_of(high) != family_of(low.replace("silicon", "simulated"))
    assert family_of("reram_mlc2.read_latency_ns") != family_of("reram_mlc3.read_latency_ns")


def test_draws_fill_every_part_of_the_range_once_and_follow_the_seed() -> None:
    sampler = EntrySampler.of(load_technology(), ["adpll.power_mw_per_ghz", "voltage.reference_v"])
    assert list(sampler.families) == ["adpll.power_mw_per_ghz"]
    drawn = sampler.draw(np.random.default_rng(1), 50)["adpll.power_mw_per_ghz"]
    assert sorted((drawn * 50).astype(int).tolist()) == list(range(50))
    again = sampler.draw(np.random.default_rng(1), 50)["adpll.power_mw_per_ghz"]
    assert np.array_equal(drawn, again)


def test_one_uncertain_entry_gives_the_percentiles_of_its_own_range() -> None:
    """Only LPDDR4 reads vary: energy is a line in that entry."""
    whole = load_technology()
    name = "lpddr4.read_energy_pj_per_bit"
    points = {
        key: replace(e, low=e.value, high=e.value)
        for key, e in whole.entries.items()
        if key != name
    }
    technology = type(whole)("one", {**points, name: whole.entry(name)})
    found = assessed(toy_chip(), samples=400, pad_to=32, technology=technology)
    (swing,) = found.swings
    entry = whole.entry(name)
    assert (swing.family, found.num_entries) == (name, 1)
    sampled = found.figures[1].sampled
    assert sampled is not None
    assert entry.value is not None
    share = (swing.energy_j.high - swing.energy_j.value) / (12.0 - entry.value)
    low, high = (value_at(entry, q) for q in (0.05, 0.95))
    assert sampled.low == pytest.approx(sampled.value + share * (low - entry.value), rel=0.01)
    assert sampled.high == pytest.approx(sampled.value + share * (high - entry.value), rel=0.01)


def test_the_same_chip_on_both_sides_never_changes_sign_because_samples_are_common() -> None:
    slow = toy_chip(overrides={"storage.lpddr4.port": "32 bit"}).model_copy(update={"name": "slow"})
    found = assessed(slow, toy_chip(), samples=60, simulations=2, pad_to=32)
    by_text = {c.text: c for c in found.conclusions}
    faster = by_text["slow is faster than edgebert-n16"]
    energy = by_text["slow takes less energy than edgebert-n16"]
    assert (faster.holds, faster.sign_change_fraction) == (False, 0.0)
    assert (energy.holds, energy.sign_change_fraction) == (False, 0.0)


def test_the_seed_decides_the_samples_and_the_sentences_the_bootstrap() -> None:
    def run(seed: int) -> dict[str, object]:
        found = assessed(toy_chip(), seed=seed, workload=sentences())
        return {**found.to_json(), "seed": 0}

    assert run(1) == run(1)
    assert run(1) != run(2)
    one = assessed(toy_chip(), pad_to=16)
    assert all(figure.over_sentences is None for figure in one.figures)


def test_accuracy_is_resampled_over_sentences_and_changed_by_no_entry() -> None:
    model = es.find_model("minilm-sst2-ee")
    few = spread_subset(model.workload(), 200)
    found = assessed(toy_chip(), trace=model.trace(), workload=few,
        exit_policy=es.EntropyExit(0.24),
    )  # fmt: skip
    (figure,) = (f for f in found.figures if f.name == "accuracy")
    assert figure.sampled is not None
    assert figure.over_sentences is not None
    assert figure.sampled.low == figure.sampled.high == figure.over_sentences.value
    share = figure.sampled.value / 100
    error = 100 * (share * (1 - share) / 200) ** 0.5
    assert figure.over_sentences.high - figure.over_sentences.low == pytest.approx(
        2 * 1.645 * error, rel=0.15
    )
    assert "no entry changes it" in uncertainty_text(found)


def test_ratios_rest_on_common_samples_and_are_narrower_than_independent_ones() -> None:
    slow = toy_chip(overrides={"pu.vector_size": 8}).model_copy(update={"name": "slow"})
    same = assessed(toy_chip(), toy_chip(), samples=60, simulations=2, pad_to=32)
    for ratio in same.ratios:
        assert ratio.sampled is not None
        assert (ratio.sampled.low, ratio.sampled.value, ratio.sampled.high) == (1, 1, 1)
    other = assessed(slow, toy_chip(), samples=60, simulations=2, pad_to=32)
    ratio = next(r.sampled for r in other.ratios if r.name == "energy")
    energy = next(f.sampled for f in other.figures if f.name == "energy")
    assert ratio.high / ratio.low < energy.high / energy.low
    assert "slow over edgebert-n16, both on the same samples" in uncertainty_text(other)


def test_the_text_and_the_picture_name_the_widest_family_first() -> None:
    found = assessed(toy_chip(), es.load_chip("tx2-maxn"), pad_to=16)
    text = uncertainty_text(found)
    assert "20 samples of" in text
    assert "edgebert-n16 takes less energy than tx2-maxn: holds" in text
    frame = tornado_data(found)
    widths = (frame["high_j"] - frame["low_j"]).tolist()
    assert widths == sorted(widths, reverse=True)
    ax = plot_tornado(found)
    assert ax.get_xlabel().startswith("Energy per sentence (")
    assert ax.get_yticklabels()[0].get_text() == found.swings[0].family


def test_what_cannot_be_sampled_is_refused() -> None:
    with pytest.raises(InputError, match="at least 20 and 1"):
        assessed(toy_chip(), samples=2, pad_to=16)
    with pytest.raises(InputError, match="host-cpu: its figures are measured"):
        assessed(es.load_chip("host-cpu"), pad_to=16)


def test_the_command_puts_the_samples_beside_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, target, picture = tmp_path / "t.npz", tmp_path / "r.json", tmp_path / "t.png"
    es.save_trace(TRACE, trace)
    arguments = ["run", str(trace), "--pad-to", "16", "--uncertainty", "20", "--json", str(target)]
    assert main([*arguments, "--tornado", str(picture)]) == 0
    assert "conclusions" in capsys.readouterr().out
    record = json.loads(target.read_text())
    assert record["uncertainty"]["num_samples"] == 20
    assert record["uncertainty"]["figures"][1]["sampled"]["value"] == pytest.approx(
        record["energy_j"]
    )
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--against", "tx2-maxn"], "--against belongs to --uncertainty"),
        (["--uncertainty", "3"], "at least 20 samples"),
        (["--uncertainty", "20", "--against", "nothing"], "no shipped chip named"),
        (["--uncertainty", "20", "--tornado", "x.pdf"], "a .png in a folder that exists"),
        (["--uncertainty", "20", "--timeline", "x.json"], "leave --timeline out"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    extra: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "t.npz"
    es.save_trace(TRACE, trace)
    assert main(["run", str(trace), "--pad-to", "16", *extra]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert (printed.err.count("\n"), printed.out) == (1, "")
