"""The data behind pictures sums to the results' totals."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from synthetic_results import (
    EARLY_EXIT_SHARES,
    accelerator_result,
    demo_results,
    gpu_result,
)

from edgesim.errors import InputError
from edgesim.ir.interval import Interval
from edgesim.ir.result import BreakdownRow, RooflinePoint
from edgesim.plot import (
    agreement_data,
    energy_by_unit_data,
    exit_layer_data,
    latency_by_kind_data,
    plot_agreement,
    roofline_data,
)
from edgesim.plot.energy import account_of


def test_energy_by_unit_sums_to_each_result_and_its_accounts() -> None:
    results = demo_results()
    frame = energy_by_unit_data(results, ["a", "b", "c"])
    for label, result in zip("abc", results, strict=True):
        mine = frame[frame["result"] == label]
        assert mine["energy_j"].sum() == pytest.approx(result.energy_j.value)
        assert mine["low_j"].sum() == pytest.approx(result.energy_j.low)
        assert mine["high_j"].sum() == pytest.approx(result.energy_j.high)
        accounts = mine.groupby("account")["energy_j"].sum()
        assert accounts["chip"] == pytest.approx(result.chip_energy_j.value)
        assert accounts["offchip"] == pytest.approx(result.offchip_energy_j.value)
        assert accounts.get("host", 0.0) == pytest.approx(result.host_energy_j.value)


def test_units_are_stacked_chip_first_host_last() -> None:
    accounts = list(energy_by_unit_data(accelerator_result())["account"])
    assert accounts == sorted(accounts, key=["chip", "offchip", "host"].index)


@pytest.mark.parametrize(
    ("name", "account"),
    [("pu", "chip"), ("reram_mlc2", "chip"), ("lpddr4", "offchip"), ("ddr", "offchip"),
     ("host", "host")],
)  # fmt: skip
def test_a_unit_without_stated_account_is_told_by_its_name(name: str, account: str) -> None:
    assert account_of(BreakdownRow("unit", name, Interval.exact(1.0), 1.0)) == account


def test_a_stated_account_wins_over_the_name() -> None:
    row = BreakdownRow("unit", "sram", Interval.exact(1.0), 1.0, "offchip")
    assert account_of(row) == "offchip"


def test_latency_by_kind_sums_to_the_mean_latency() -> None:
    results = demo_results()
    sums = latency_by_kind_data(results, ["a", "b", "c"]).groupby("result")["latency_s"].sum()
    for label, result in zip("abc", results, strict=True):
        assert sums[label] == pytest.approx(result.latency_s.value)


def test_exit_shares_count_every_sentence_at_every_layer() -> None:
    frame = exit_layer_data(accelerator_result(exit_threshold=0.28))
    assert list(frame["layer"]) == [1, 2, 3, 4, 5, 6]
    assert list(frame["share"]) == pytest.approx(list(EARLY_EXIT_SHARES))
    assert frame["count"].sum() == 40


def test_the_mean_of_the_exit_histogram_is_the_average_exit_layer() -> None:
    result = accelerator_result(exit_threshold=0.28)
    frame = exit_layer_data(result)
    assert (frame["layer"] * frame["share"]).sum() == pytest.approx(result.average_exit_layer)


def test_a_model_without_off_ramps_has_no_exit_rows() -> None:
    from dataclasses import replace

    base = gpu_result()
    rows = tuple(replace(row, exit_layer=None) for row in base.sentences)
    assert exit_layer_data([base, gpu_result(sentences=rows)], ["a", "b"])["result"].eq("a").all()


def test_the_roofline_is_the_lower_of_peak_and_bandwidth_by_hand() -> None:
    points = (
        RooflinePoint("matmul", 1000.0, 10.0, 10.0),
        RooflinePoint("embedding", 100.0, 100.0, 50.0),
        RooflinePoint("attention_scores", 60.0, 0.0, 2.0),
        RooflinePoint("softmax", 0.0, 0.0, 1.0),
    )
    result = accelerator_result(
        roofline=points, peak_macs_per_s=200.0, memory_bytes_per_s=5.0
    )  # fmt: skip
    frame = roofline_data(result).set_index("kind")
    assert frame["intensity_macs_per_byte"].to_dict()["matmul"] == 100.0
    assert math.isinf(frame["intensity_macs_per_byte"]["attention_scores"])
    assert frame["macs_per_s"].to_dict() == {
        "matmul": 100.0, "embedding": 2.0, "attention_scores": 30.0, "softmax": 0.0,
    }  # fmt: skip
    assert frame["attainable_macs_per_s"].to_dict() == {
        "matmul": 200.0, "embedding": 5.0, "attention_scores": 200.0, "softmax": 0.0,
    }  # fmt: skip


def test_one_result_and_a_list_of_it_give_the_same_data() -> None:
    result = accelerator_result()
    assert energy_by_unit_data(result).equals(energy_by_unit_data([result]))


@pytest.mark.parametrize("labels", [["a"], ["a", "a", "b"]])
def test_labels_must_be_one_distinct_label_each(labels: list[str]) -> None:
    with pytest.raises(InputError, match="one distinct label each"):
        energy_by_unit_data(demo_results(), labels)


def test_no_results_are_an_input_error() -> None:
    with pytest.raises(InputError, match="at least one"):
        latency_by_kind_data([])


def test_agreement_is_one_where_both_figures_agree_and_spans_both_ranges() -> None:
    rows = pd.DataFrame(
        {
            "what": ["exact", "between", "absent", "zero"], "verdict": ["pass"] * 4,
            "figure": [2.0, 10.0, 1.0, 0.0], "figure_low": [None, 8.0, None, None],
            "figure_high": [None, 20.0, None, None], "simulated": [2.0, 5.0, None, 1.0],
            "low": [None, 4.0, None, None], "high": [None, 6.0, None, None],
        }
    )  # fmt: skip
    frame = agreement_data(rows)
    assert frame["what"].tolist() == ["exact", "between"]
    assert frame[["ratio", "low", "high"]].to_numpy().tolist() == [[1, 1, 1], [0.5, 0.2, 0.75]]
    ax = plot_agreement(rows, "title")
    assert ax.get_xlabel() == "Simulated over figure (ratio)"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["exact", "between"]
