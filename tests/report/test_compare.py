"""Comparisons: ratios by hand, both sides named, caveats where figures are of other work."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_results import accelerator_result, demo_results, gpu_result

from edgesim.errors import InputError
from edgesim.ir.interval import Interval
from edgesim.report import compare
from edgesim.report.ratios import times_text

positive = st.floats(1e-6, 1e3)
spans = st.tuples(positive, st.floats(0.1, 1.0), st.floats(1.0, 10.0)).map(
    lambda t: Interval(t[0], t[0] * t[1], t[0] * t[2])
)


def test_ratios_divide_by_the_baseline_and_take_the_extreme_ends() -> None:
    mine = accelerator_result(
        latency_s=1.0, energy_j=1.0,
        **{"chip_energy_j": Interval(2.0, 1.0, 4.0)},
    )  # fmt: skip
    mine = replace(mine, latency_s=Interval(2.0, 1.0, 3.0), energy_j=Interval(6.0, 5.0, 8.0))
    other = gpu_result(chip_energy_j=Interval(8.0, 4.0, 16.0))
    other = replace(other, latency_s=Interval(4.0, 2.0, 5.0), energy_j=Interval(12.0, 10.0, 20.0))
    ratios = {line.quantity: line.ratio for line in compare([mine, other], baseline=1).ratios}
    assert ratios == {
        "latency": Interval(0.5, 0.2, 1.5),
        "energy": Interval(0.5, 0.25, 0.8),
        # products 12 [5, 24] over 48 [20, 100]
        "energy-delay product": Interval(0.25, 0.05, 1.2),
        "chip energy only": Interval(0.25, 0.0625, 1.0),
    }


@given(spans, spans)
def test_a_ratio_and_its_inverse_have_swapped_ends(one: Interval, two: Interval) -> None:
    first, second = accelerator_result(), gpu_result()
    pair = [replace(first, energy_j=one), replace(second, energy_j=two)]
    forward = next(r for r in compare(pair, 1).ratios if r.quantity == "energy").ratio
    backward = next(r for r in compare(pair, 0).ratios if r.quantity == "energy").ratio
    assert forward is not None
    assert backward is not None
    assert forward.low * backward.high == pytest.approx(1.0)
    assert forward.high * backward.low == pytest.approx(1.0)
    assert forward.low <= forward.value <= forward.high


def test_every_ratio_line_names_both_sides() -> None:
    comparison = compare(demo_results(), baseline=2)
    assert len(comparison.ratios) == 8
    for line in comparison.ratios:
        assert f"{line.result} / tx2-maxn (exit < 0.28, fp16)" in line.text
        assert line.result.startswith("edgebert-n16 (")


def test_a_baseline_that_may_be_zero_gives_no_ratio() -> None:
    none = gpu_result(chip_energy_j=Interval(1.0, 0.0, 2.0))
    lines = compare([accelerator_result(), none], baseline=1).ratios
    line = next(line for line in lines if line.quantity == "chip energy only")
    assert line.ratio is None
    assert "n/a" in line.text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Interval(0.25, 0.2, 0.5), "4.00 [2.00, 5.00] times less"),
        (Interval(2.0, 1.5, 3.0), "2.00 [1.50, 3.00] times more"),
        (Interval(0.9, 0.5, 1.1), "undecided, the range holds 1"),
        (Interval(0.9, 0.5, 1.0), "undecided, the range holds 1"),
        (Interval(0.5, 0.0, 0.8), "at least 1.25 times less"),
        (Interval.exact(1.0), "the same"),
    ],
)
def test_a_ratio_in_words_says_no_more_than_its_range(ratio: Interval, text: str) -> None:
    assert times_text(ratio) == text


def test_the_frame_has_a_row_per_result_with_ranges_and_ratios() -> None:
    results = demo_results()
    frame = compare(results).to_frame()
    assert list(frame["chip"]) == ["edgebert-n16", "edgebert-n16", "tx2-maxn"]
    for index, result in enumerate(results):
        row = frame.loc[index]
        assert row["energy_j"] == result.energy_j.value
        assert row["energy_low_j"] == result.energy_j.low
        assert row["latency_high_s"] == result.latency_s.high
        parts = row["chip_energy_j"] + row["offchip_energy_j"] + row["host_energy_j"]
        assert parts == pytest.approx(row["energy_j"])
        assert row["energy_ratio"] == pytest.approx(
            result.energy_j.value / results[0].energy_j.value
        )
    assert frame.loc[0, "energy_high_ratio"] == 1.0
    assert frame["area_mm2"].isna().tolist() == [False, False, True]


def test_the_paired_difference_is_that_of_agresti_and_min() -> None:
    """Agresti and Min 2005: half a sentence in each cell of the 2 × 2 table.

    Of 40 sentences the other wins 4 and loses 2: centre 2/42, spread sqrt(7 - 4/42)/42.
    """
    base = accelerator_result()
    rows = list(base.sentences)
    wrong = [i for i, row in enumerate(rows) if row.prediction != row.label]
    right = [i for i, row in enumerate(rows) if row.prediction == row.label]
    for i in [*wrong[:4], *right[:2]]:
        rows[i] = replace(rows[i], prediction=1 - int(rows[i].prediction or 0))
    other = gpu_result(sentences=tuple(rows))
    (line,) = compare([base, other]).accuracy_differences
    centre, half = 2 / 42, 1.959963985 * (7 - 4 / 42) ** 0.5 / 42
    assert line.difference.value == pytest.approx(2 / 40)
    assert line.difference.low == pytest.approx(centre - half)
    assert line.difference.high == pytest.approx(centre + half)


def test_two_runs_of_one_chip_take_the_same_end_on_both_sides() -> None:
    """0.2 [0.1, 0.9] over 0.4 [0.25, 1.0]: 0.5, 0.4 and 0.9, where independence says 0.1 to 3.6."""
    off, on = accelerator_result(), accelerator_result(exit_threshold=0.28)
    pair = [replace(off, energy_j=Interval(0.4, 0.25, 1.0)),
            replace(on, energy_j=Interval(0.2, 0.1, 0.9))]  # fmt: skip
    ratio = next(line.ratio for line in compare(pair).ratios if line.quantity == "energy")
    assert ratio == Interval(0.5, 0.4, 0.9)


@pytest.mark.parametrize(
    "change",
    [{"chip": "edgebert-n8"}, {"inputs": {"technology": "other"}}, {"inputs": {"chip": "other"}}],
)
def test_other_chips_or_tables_are_independent(change: dict[str, Any]) -> None:
    one, two = accelerator_result(), accelerator_result(**change)
    ratio = next(line.ratio for line in compare([one, two]).ratios if line.quantity == "energy")
    assert ratio == two.energy_j.over(one.energy_j)


def test_the_same_answers_are_called_the_same() -> None:
    (line,) = compare([accelerator_result(), gpu_result()]).accuracy_differences
    assert line.difference == Interval.exact(0.0)
    assert "give the same answers to all 40 sentences" in line.text


def test_results_of_other_sentences_are_not_paired() -> None:
    other = gpu_result(inputs={"workload": "c3" * 32})
    comparison = compare([accelerator_result(), other])
    assert comparison.accuracy_differences == ()
    assert any("workloads differ" in line for line in comparison.caveats)


def test_a_different_padding_is_a_caveat() -> None:
    base = accelerator_result()
    padded = accelerator_result(settings={**base.settings, "pad_to": 128})
    assert any("paddings differ" in line for line in compare([base, padded]).caveats)


def test_a_gpu_beside_an_accelerator_says_what_chip_energy_means() -> None:
    assert any("processor rails" in line for line in compare(demo_results()).caveats)


def test_the_text_table_shows_every_chip_with_units_and_ranges() -> None:
    text = compare(demo_results(), baseline=2).to_text()
    for said in ("2.40 ms", "[1.52, 2.47] mJ", "90.0 % [76.9, 96.0], n = 40", "2.50 of 6",
                 "mm²", "not modelled", "µJ·s"):  # fmt: skip
        assert said in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_many_results_are_split_into_tables_that_fit_a_terminal() -> None:
    results = [accelerator_result(f"edgebert-n{n}") for n in (2, 4, 8, 16, 32)]
    table = compare(results).to_text().split("\n\n")
    assert table[1].splitlines()[0].split() == ["edgebert-n16", "edgebert-n32"]
    assert max(len(line) for line in (table[0] + "\n" + table[1]).splitlines()) <= 120


def test_unlabelled_sentences_have_no_accuracy() -> None:
    base = accelerator_result()
    rows = tuple(replace(row, label=None) for row in base.sentences)
    result = accelerator_result(accuracy=None, accuracy_low=None, accuracy_high=None,
                                sentences=rows)  # fmt: skip
    assert "no labels" in compare([result]).to_text()


def test_the_comparison_is_json() -> None:
    record = compare(demo_results(), baseline=2).to_json()
    assert json.loads(json.dumps(record)) == record
    assert record["baseline"] == "tx2-maxn (exit < 0.28, fp16)"


def test_nothing_to_compare_is_an_input_error() -> None:
    with pytest.raises(InputError, match="at least one"):
        compare([])


@pytest.mark.parametrize("baseline", [-1, 3])
def test_a_baseline_out_of_range_is_an_input_error(baseline: int) -> None:
    with pytest.raises(InputError, match="allowed 0 to 2"):
        compare(demo_results(), baseline)
