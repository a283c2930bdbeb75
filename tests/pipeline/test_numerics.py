"""The study of a chip's arithmetic: its tables hold what separate runs give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chip_cases import profile, sentences, toy

import edgesim as es
from edgesim.errors import InputError
from edgesim.functional.chip.arithmetic import chip_arithmetic
from edgesim.functional.chip.profile import DEFECTS
from edgesim.functional.chip.storage import stored_as
from edgesim.functional.departures import departures
from edgesim.functional.execution import execute_all
from edgesim.functional.float32 import float32_arithmetic
from edgesim.ir.numerics_study import NumericsStudy
from edgesim.ir.workload import Workload
from edgesim.pipeline.numerics import numerics_study
from edgesim.report.numerics import numerics_text

CHIP = es.load_chip("edgebert-n16")
IDS = sentences(3, 5, 9, 9, 14)


@pytest.fixture(scope="module")
def study() -> NumericsStudy:
    return numerics_study(toy(), CHIP, workload(), 0.5, "made up")


def workload(labels: bool = True) -> Workload:
    count = np.array([len(ids) for ids in IDS])
    answers = np.arange(5) % 2 if labels else None
    return Workload("w", count, None, None, answers, tuple(IDS), in_order=True)


def test_float32_departs_from_itself_by_nothing() -> None:
    rows = departures(toy(), IDS, float32_arithmetic(toy()))
    assert len(rows) == sum(op.kind != "exit_check" for op in toy().all_ops())
    assert all(row.relative == row.largest_error == 0 for row in rows)


def test_departures_are_those_of_the_values(study: NumericsStudy) -> None:
    trace = toy()
    plain = execute_all(trace, IDS, float32_arithmetic(trace)).logits[:, 1]
    inside = execute_all(trace, IDS, chip_arithmetic(trace, profile())).logits[:, 1]
    row = next(row for row in study.departures if row.op == "ramp2.classify")
    assert row.layer == 2
    error = np.sqrt(np.sum((inside - plain) ** 2) / np.sum(plain.astype(float) ** 2))
    assert row.relative == pytest.approx(error, rel=1e-6)
    assert row.largest_error == pytest.approx(np.abs(inside - plain).max(), rel=1e-6)


def test_every_defect_has_a_row_and_rows_are_separate_runs(study: NumericsStudy) -> None:
    names = [row.name for row in study.variants]
    assert names[0] == "float32"
    assert {f"chip, {defect}" for defect in DEFECTS} < set(names)
    assert {"chip, 30-bit sums", "chip, all of these", "edgebert-hls-as-released"} < set(names)
    wraps = next(row for row in study.variants if row.name == f"chip, {DEFECTS[0]}")
    assert wraps.events["wrapped accumulators"] > 0
    trace = toy()
    arithmetic = chip_arithmetic(trace, profile().with_defects([DEFECTS[0]]))
    answers = execute_all(trace, IDS, arithmetic)
    right = answers.logits[:, -1].argmax(axis=-1) == np.arange(5) % 2
    assert wraps.accuracy == right.mean()


def test_a_model_with_spans_is_studied_without_the_release_that_cannot_run_it() -> None:
    found = numerics_study(toy(spans=(2, None, 1)), CHIP, workload(), 0.5, "made up")
    names = [row.name for row in found.variants]
    assert "edgebert-hls-as-released" not in names
    assert {"chip, all of these", "INT8, 24-bit sums"} < set(names)
    assert "attention spans have no released arithmetic" in numerics_text(found)


def test_the_text_has_a_column_per_layer_and_names_what_it_rests_on(study: NumericsStudy) -> None:
    text = numerics_text(study)
    assert "embedding  layer 1  layer 2" in text
    assert "sentences given in Python" in text
    assert "exit < 0.5" in text
    assert "INT8, 24-bit sums" in text
    assert study.to_json()["variants"][0]["name"] == "float32"


def test_what_a_study_needs_is_asked_for() -> None:
    with pytest.raises(InputError, match="sentences with labels are needed"):
        numerics_study(toy(), CHIP, workload(labels=False), None, "made up")
    with pytest.raises(InputError, match="only an accelerator"):
        numerics_study(toy(), es.load_chip("tx2-maxn"), workload(), None, "made up")


def test_a_chip_of_another_format_stores_rounded_weights_under_new_masks() -> None:
    trace = toy()
    stored = replace(trace, tensors={
        name: replace(tensor, number_format="adaptivfloat<8,3>")
        if tensor.tensor_class != "activation" else tensor
        for name, tensor in trace.tensors.items()
    })  # fmt: skip
    assert stored_as(stored, profile()) is stored
    control = profile({"pu.number_format": "int8", "pu.accumulator_bits": 24})
    found = stored_as(stored, control)
    assert found.values is not None
    for name, values in found.values.items():
        step = np.abs(trace.values[name]).max() / 127
        assert np.abs(values - trace.values[name]).max() <= 0.51 * step
        np.testing.assert_array_equal(found.weight_mask(name), values != 0)
        assert found.tensors[name].density == pytest.approx(np.mean(values != 0))
        assert found.tensors[name].number_format == "int8"
    first = execute_all(stored, IDS, chip_arithmetic(stored, control))
    again = execute_all(found, IDS, chip_arithmetic(found, control))
    np.testing.assert_array_equal(first.logits, again.logits)


def test_int8_operands_cost_what_their_published_element_does() -> None:
    trace = toy()
    control = es.load_chip("edgebert-n16-int8")
    runs = [
        es.simulate(trace, chip, workload=workload(), arithmetic="chip") for chip in (CHIP, control)
    ]
    used = [{use.entry for use in run.sources} for run in runs]
    assert "pu.n16.mac_energy_pj" in used[0]
    assert "pu.int8.n16.mac_energy_pj" in used[1]
    assert "pu.n16.mac_energy_pj" not in used[1]
    assert runs[1].area_mm2.value < runs[0].area_mm2.value
    assert runs[0].accuracy is not None
    assert runs[1].accuracy is not None
    assert any("int8 operands" in note for note in runs[1].notes)
