"""A run in the chip's arithmetic: whose answers and exits it reports, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chip_cases import sentences, toy

import edgesim as es
from edgesim.errors import InputError
from edgesim.ir.optrace import OpTrace
from edgesim.ir.workload import Workload
from edgesim.pipeline.arithmetic import RELEASED, answered, as_stored

CHIP = es.load_chip("edgebert-n16")


def workload(trace: OpTrace) -> Workload:
    """Eight sentences in order, with float32 answers of another kind than the chip's."""
    ids = sentences(3, 5, 5, 8, 9, 12, 16, 20)
    random = np.random.default_rng(0)
    return Workload(
        "made up", np.array([len(s) for s in ids]), random.uniform(0, 0.6, (8, 2)),
        random.standard_normal((8, 2, 2)).astype(np.float32), np.arange(8) % 2, tuple(ids),
        in_order=True,
    )  # fmt: skip


def test_a_run_in_the_chips_arithmetic_reports_that_arithmetics_exits_and_accuracy() -> None:
    trace = toy()
    given = workload(trace)
    inside, name = answered(trace, CHIP, given, "chip")
    assert inside is not None
    assert (name, inside.arithmetic) == ("chip", "chip")
    policy = es.EntropyExit(float(np.median(inside.entropies[:, 0])))
    result = es.simulate(trace, CHIP, workload=given, exit_policy=policy, arithmetic="chip")
    layers = policy.exit_layers(inside.entropies)
    assert [row.exit_layer for row in result.sentences] == layers.tolist()
    answers = inside.logits[np.arange(8), layers - 1].argmax(axis=-1)
    assert result.accuracy == np.mean(answers == given.labels)
    assert result.settings["arithmetic"] == "chip"
    assert any("published processing element, which has 30 bits" in n for n in result.notes)
    assert not any("is not applied" in line for line in result.assumed)
    plain = es.simulate(trace, CHIP, workload=given, exit_policy=policy)
    assert plain.settings["arithmetic"] == "float32"
    assert any("is not applied" in line for line in plain.assumed)


def test_the_released_test_is_at_most_and_decides_so_in_a_run() -> None:
    trace = toy()
    inside, _ = answered(
        trace, es.load_chip("edgebert-hls"), workload(trace), "edgebert-hls-as-released"
    )
    assert inside is not None
    assert (inside.entropies >= 0).all()
    word = np.unique(np.nextafter(inside.entropies[inside.entropies > 0], np.inf))
    if len(word):
        layers = es.EntropyExit(float(word[0])).exit_layers(inside.entropies)
        assert (layers == 1).any() or (inside.entropies[:, 0] > word[0]).all()


def test_recorded_answers_are_taken_and_those_of_another_chip_are_not(tmp_path: Path) -> None:
    trace = toy()
    inside, _ = answered(trace, CHIP, workload(trace), "chip")
    assert inside is not None
    inside.save(tmp_path / "w.npz")
    stored = Workload.load(tmp_path / "w.npz")
    assert (stored.profile, stored.notes) == (inside.profile, inside.notes)
    assert not stored.in_order
    bare = replace(trace, values=None)
    assert answered(bare, CHIP, stored, "chip")[0] is stored
    same_sums = es.load_chip("edgebert-n8")
    assert answered(bare, same_sums, stored, "chip")[0] is stored
    narrow = es.load_chip("edgebert-n16", {"pu.accumulator_bits": 30})
    with pytest.raises(InputError, match="of another chip than edgebert-n16"):
        answered(bare, narrow, stored, "chip")
    with pytest.raises(InputError, match="holds answers in chip and token ids without their order"):
        answered(bare, CHIP, stored, "float32")


def test_a_gpu_computes_in_float32_whatever_is_asked() -> None:
    trace = toy()
    given = workload(trace)
    result = es.simulate(trace, es.load_chip("tx2-maxn"), workload=given, arithmetic="chip")
    assert result.settings["arithmetic"] == "float32"


def test_what_cannot_be_executed_is_refused() -> None:
    trace = toy()
    given = workload(trace)
    with pytest.raises(InputError, match="allowed: float32, chip, edgebert-hls-as-released"):
        es.simulate(trace, CHIP, workload=given, arithmetic="bfloat16")
    with pytest.raises(InputError, match="no weight values"):
        es.simulate(replace(trace, values=None), CHIP, workload=given, arithmetic="chip")
    bare = CHIP.model_copy(update={"arithmetic": None})
    with pytest.raises(InputError, match="no `arithmetic` section"):
        es.simulate(trace, bare, workload=given, arithmetic="chip")


def test_calibration_in_python_feeds_a_run() -> None:
    fresh = replace(toy(), tensors={
        name: replace(tensor, largest=None) for name, tensor in toy().tensors.items()
    })  # fmt: skip
    with pytest.raises(InputError, match="was not calibrated"):
        es.simulate(fresh, CHIP, workload=workload(fresh), arithmetic="chip")
    measured = es.calibrate(fresh, sentences(5, 12, 20, seed=8), CHIP)
    assert {n: t.largest for n, t in measured.tensors.items()} == {
        n: t.largest for n, t in toy().tensors.items()
    }
    assert measured.activation_statistics is not None
    result = es.simulate(measured, CHIP, workload=workload(measured), arithmetic="chip")
    assert not any("activations are dense" in line for line in result.assumed)
    assert any(note.startswith("zeros of activations: ") for note in result.notes)
    dense = es.simulate(toy(), CHIP, workload=workload(toy()), arithmetic="chip")
    assert any("activations are dense" in line for line in dense.assumed)
    assert result.chip_energy_j.value < dense.chip_energy_j.value
    with pytest.raises(InputError, match="only an accelerator"):
        es.calibrate(fresh, sentences(5), es.load_chip("tx2-maxn"))


def densities(trace: OpTrace) -> list[tuple[float, float | None]]:
    """Density and null vectors of every activation."""
    tensors = (t for t in trace.tensors.values() if t.tensor_class == "activation")
    return [(tensor.density, tensor.null_vector_fraction) for tensor in tensors]


def test_zeros_hold_for_chips_that_compute_alike_and_null_vectors_for_no_longer_ones() -> None:
    measured = es.calibrate(toy(), sentences(5, 12, 20, seed=8), CHIP)
    found = densities(measured)
    assert min(density for density, _ in found) < 1
    assert as_stored(measured, CHIP, "chip") is measured
    assert as_stored(measured, es.load_chip("edgebert-n8"), "chip") is measured
    longer = densities(as_stored(measured, es.load_chip("edgebert-n32"), "chip"))
    assert longer == [(density, None) for density, _ in found]
    for chip, arithmetic in (("edgebert-n16-int8", "chip"), ("edgebert-n16", RELEASED)):
        other = as_stored(measured, es.load_chip(chip), arithmetic)
        assert set(densities(other)) == {(1.0, None)}
        assert other.activation_statistics is None
