"""Whole models on the released implementation: where the time goes, energy, and its report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.report import result_text

SHAPE = BertShape(width=64, heads=2, hidden=160, layers=2, density=0.5)


@pytest.fixture(scope="module")
def trace() -> OpTrace:
    return bert_like(SHAPE)


@pytest.fixture(scope="module")
def result(trace: OpTrace) -> SimResult:
    return es.simulate(trace, toy_chip("edgebert-hls"), pad_to=48)


def test_every_tick_belongs_to_one_part(result: SimResult) -> None:
    assert sum(result.time_parts_s.values()) == pytest.approx(result.latency_s.value, rel=1e-12)
    assert set(result.time_parts_s) == {
        "matmul", "softmax", "layernorm", "add", "entropy", "AXI loads", "AXI stores",
        "configuration", "interrupts", "host: gelu", "host: embedding", "host: pool",
        "host: relayout",
    }  # fmt: skip
    assert min(result.time_parts_s.values()) > 0


def test_added_host_work_is_priced_and_the_breakdown_still_sums(result: SimResult) -> None:
    for group in ("unit", "kind", "layer"):
        rows = [row for row in result.breakdown if row.group == group]
        energy = sum(row.energy_j.value for row in rows if row.energy_j is not None)
        assert result.energy_j is not None
        assert energy == pytest.approx(result.energy_j.value)
    kinds = {row.name: row for row in result.breakdown if row.group == "kind"}
    relayout = kinds["relayout"]
    assert relayout.energy_j is not None
    assert relayout.energy_j.value > 0
    assert relayout.latency_s == pytest.approx(result.time_parts_s["host: relayout"])


def test_the_host_takes_its_cycles_for_every_element(result: SimResult) -> None:
    """4 cycles for each of 48 × 160 elements in both layers at 1 GHz."""
    assert result.time_parts_s["host: gelu"] == pytest.approx(2 * 48 * 160 * 4e-9)


def test_the_report_says_where_the_time_goes(result: SimResult) -> None:
    text = result_text(result)
    assert "where the time goes" in text
    assert "host: relayout" in text


def test_units_that_overlap_have_no_such_parts(trace: OpTrace) -> None:
    other = es.simulate(trace, toy_chip(), pad_to=16)
    assert dict(other.time_parts_s) == {}
    assert "where the time goes" not in result_text(other)


def test_the_parts_come_back_from_a_file(result: SimResult, tmp_path: Path) -> None:
    result.save(tmp_path / "r.json")
    assert es.SimResult.load(tmp_path / "r.json").time_parts_s == result.time_parts_s


def test_a_result_is_slower_than_on_the_block_diagram_and_above_its_bound(
    trace: OpTrace, result: SimResult
) -> None:
    paper = es.simulate(trace, toy_chip(), pad_to=48)
    assert result.latency_s.value > paper.latency_s.value
    assert result.ideal_latency_s is not None
    assert result.latency_s.value > result.ideal_latency_s


def test_early_exits_read_the_status_register_after_each_entropy(trace: OpTrace) -> None:
    """8 cycles a read, once per ramp that runs."""
    chip = toy_chip("edgebert-hls", {"host.status_read_cycles": 1008})
    slow = es.simulate(trace, chip, pad_to=48)
    fast = es.simulate(trace, toy_chip("edgebert-hls"), pad_to=48)
    assert slow.latency_s.value - fast.latency_s.value == pytest.approx(1000e-9)


def test_first_row_pooling_touches_one_row() -> None:
    trace = bert_like(dataclasses.replace(SHAPE, layers=1))
    ramp = tuple(
        dataclasses.replace(op, pooling="first") if op.kind == "pool" else op  # type: ignore[call-arg]
        for op in trace.layers[0].ramp
    )
    trace = dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], ramp=ramp),))
    result = es.simulate(trace, toy_chip("edgebert-hls"), pad_to=48)
    assert result.time_parts_s["host: pool"] == pytest.approx(64 * 4e-9)


def test_traces_and_workloads_are_read_from_paths_given_as_text(
    trace: OpTrace, tmp_path: Path
) -> None:
    path = str(tmp_path / "t.npz")
    es.save_trace(trace, path)
    assert es.load_trace(path).name == trace.name
    folder = es.find_model("minilm-sst2-ee")
    workload = folder.workload()
    assert workload is not None
    workload.save(str(tmp_path / "w.npz"))
    assert len(es.Workload.load(str(tmp_path / "w.npz"))) == len(workload)
