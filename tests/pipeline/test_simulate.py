"""Whole runs of the shipped trace: accuracy, exits, padding and bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgesim as es
from edgesim.errors import InputError
from edgesim.ir.optrace import OpTrace

CHIP = "edgebert-n16"


@pytest.fixture(scope="module")
def trace() -> OpTrace:
    return es.find_model("minilm-sst2-ee").trace()


@pytest.fixture(scope="module")
def workload() -> es.Workload:
    """Forty synthetic sentences whose entropies fall by layer."""
    rng = np.random.default_rng(7)
    entropies = np.sort(rng.random((40, 6)) * np.log(2), axis=1)[:, ::-1].copy()
    return es.Workload(
        "synthetic", rng.integers(4, 40, 40), entropies,
        rng.normal(size=(40, 6, 2)).astype(np.float32), rng.integers(0, 2, 40),
    )  # fmt: skip


def test_accuracy_is_that_of_the_ramp_where_each_sentence_left(
    trace: OpTrace, workload: es.Workload
) -> None:
    policy = es.EntropyExit(0.3)
    result = es.simulate(trace, es.load_chip(CHIP), workload=workload, exit_policy=policy)
    right = 0
    assert workload.entropies is not None
    assert workload.logits is not None
    assert workload.labels is not None
    for row in range(40):
        below = [i for i in range(6) if workload.entropies[row, i] < 0.3]
        ramp = below[0] if below else 5
        assert result.sentences[row].exit_layer == ramp + 1
        right += int(np.argmax(workload.logits[row, ramp]) == workload.labels[row])
    assert result.accuracy == pytest.approx(right / 40)


def test_exits_save_latency_and_energy_but_pay_for_their_ramps(
    trace: OpTrace, workload: es.Workload
) -> None:
    chip = es.load_chip(CHIP)
    full = es.simulate(trace, chip, workload=workload)
    early = es.simulate(trace, chip, workload=workload, exit_policy=es.EntropyExit(0.3))
    never = es.simulate(trace, chip, workload=workload, exit_policy=es.EntropyExit(0.0))
    assert early.latency_s.value < full.latency_s.value < never.latency_s.value
    assert early.energy_j.value < full.energy_j.value < never.energy_j.value
    assert never.average_exit_layer == 6


def test_padding_makes_every_sentence_equal(trace: OpTrace, workload: es.Workload) -> None:
    result = es.simulate(trace, es.load_chip(CHIP), workload=workload, pad_to=64)
    assert {row.num_tokens for row in result.sentences} == {64}
    alone = es.simulate(trace, es.load_chip(CHIP), pad_to=64)
    layers = next(row for row in result.breakdown if row.name == "layer 1")
    assert layers.latency_s == pytest.approx(
        next(row for row in alone.breakdown if row.name == "layer 1").latency_s
    )


def test_no_run_beats_its_roofline_on_any_shipped_chip(
    trace: OpTrace, workload: es.Workload
) -> None:
    for name in sorted({*es.chip_names()} - {"host-cpu"}):
        result = es.simulate(trace, es.load_chip(name), workload=workload)
        assert result.ideal_latency_s is not None
        assert result.latency_s.low >= result.ideal_latency_s, name


def test_parts_of_energy_and_area_sum_to_their_totals(
    trace: OpTrace, workload: es.Workload
) -> None:
    for name in ("edgebert-n2", CHIP, "tx2-maxn"):
        result = es.simulate(
            trace, es.load_chip(name), workload=workload, exit_policy=es.EntropyExit(0.3)
        )
        parts = result.chip_energy_j + result.offchip_energy_j + result.host_energy_j
        assert parts.value == pytest.approx(result.energy_j.value, rel=1e-9)
        for group in ("unit", "kind", "layer"):
            rows = [row.energy_j.value for row in result.breakdown if row.group == group]
            assert sum(rows) == pytest.approx(result.energy_j.value, rel=1e-9), (name, group)
        if result.area_mm2 is not None:
            area = sum(part.value for part in result.area_parts_mm2.values())
            assert area == pytest.approx(result.area_mm2.value, rel=1e-9)


def test_a_result_carries_its_inputs_and_its_honesty(trace: OpTrace, workload: es.Workload) -> None:
    result = es.simulate(trace, es.load_chip(CHIP), workload=workload)
    assert set(result.inputs) == {"trace", "chip", "technology", "workload"}
    assert result.assumed
    assert result.not_modelled
    assert any("spill" in note for note in result.notes)
    kinds = {source.kind for source in result.sources}
    assert kinds <= {"measured", "published", "scaled", "assumed", "fitted"}
    assert all(source.source for source in result.sources)


def test_larger_reram_holds_the_embeddings_whole(trace: OpTrace, workload: es.Workload) -> None:
    small = es.simulate(trace, es.load_chip(CHIP), workload=workload)
    large = es.simulate(trace, es.load_chip("edgebert-n16-reram8m"), workload=workload)
    assert small.spilled_bytes > 0
    assert large.spilled_bytes == 0
    assert small.area_mm2 is not None
    assert large.area_mm2 is not None
    assert large.area_mm2.value > small.area_mm2.value


def test_settings_that_contradict_each_other_are_refused(
    trace: OpTrace, workload: es.Workload
) -> None:
    chip = es.load_chip(CHIP)
    with pytest.raises(InputError, match="pad_to"):
        es.simulate(trace, chip)
    with pytest.raises(InputError, match="workload"):
        es.simulate(trace, chip, pad_to=32, exit_policy=es.EntropyExit(0.3))
    with pytest.raises(InputError, match="pad_to is 8"):
        es.simulate(trace, chip, workload=workload, pad_to=8)
    with pytest.raises(InputError, match="precision"):
        es.simulate(trace, chip, workload=workload, precision="fp16")
    other = es.Workload("other", np.array([5]), np.array([[0.1, 0.2]]), None, None)
    with pytest.raises(InputError, match="2 layers"):
        es.simulate(trace, chip, workload=other, exit_policy=es.EntropyExit(0.3))


def test_a_result_survives_saving(trace: OpTrace, tmp_path: Path) -> None:
    result = es.simulate(trace, es.load_chip(CHIP), pad_to=16)
    path = tmp_path / "r.json"
    result.save(path)
    assert es.SimResult.load(path) == result
