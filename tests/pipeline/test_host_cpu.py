"""The machine at hand: time is measured, energy is not, and every output says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgesim as es
from edgesim.cli import main
from edgesim.errors import ChipError, InputError
from edgesim.hw.spec import HostCpuSpec
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.lowering.host_run import time_forward
from edgesim.plot import save_pictures
from edgesim.report import compare, read_report, result_text, write_report

LENGTHS = (4, 24, 9, 24)
OVERRIDES = {"repeats": 3, "warm_up": 1}


class Tiny(nn.Module):
    """One product of token rows; counts its calls and the threads that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.linear = nn.Linear(8, 4)
        self.seen: list[tuple[int, int, bool]] = []

    def forward(self, input_ids: Tensor) -> Tensor:
        self.seen.append((input_ids.shape[1], torch.get_num_threads(), self.training))
        return self.linear(self.table(input_ids))


@pytest.fixture(scope="module")
def trace() -> OpTrace:
    return es.lower(Tiny())


@pytest.fixture(scope="module")
def workload() -> es.Workload:
    logits = np.zeros((len(LENGTHS), 1, 2), dtype=np.float32)
    labels = np.array([0, 0, 1, 0])
    return es.Workload("four", np.array(LENGTHS), None, logits, labels)


@pytest.fixture(scope="module")
def result(trace: OpTrace, workload: es.Workload) -> SimResult:
    chip = es.load_chip("host-cpu", OVERRIDES)
    return es.simulate(trace, chip, workload=workload, model=Tiny())


def test_every_length_is_run_warm_up_and_repeats_times_with_the_stated_threads() -> None:
    model = Tiny().train()
    before = torch.get_num_threads()
    timing = time_forward(model, LENGTHS, repeats=5, warm_up=2, threads=1)
    assert timing.lengths == (4, 9, 24)
    assert [s for s, _, _ in model.seen] == [4] * 7 + [9] * 7 + [24] * 7
    assert {(threads, training) for _, threads, training in model.seen} == {(1, False)}
    assert model.training
    assert torch.get_num_threads() == before
    median, fastest, slowest = timing.seconds
    assert np.all((fastest > 0) & (fastest <= median) & (median <= slowest))
    assert timing.machine
    assert "torch" in timing.software


def test_a_slower_model_takes_longer() -> None:
    class Slow(Tiny):
        def forward(self, input_ids: Tensor) -> Tensor:
            for _ in range(200):
                super().forward(input_ids)
            return super().forward(input_ids)

    fast, slow = (
        time_forward(model, [8], repeats=5, warm_up=1, threads=1).seconds[0, 0]
        for model in (Tiny(), Slow())
    )
    assert slow > 10 * fast


def test_sentences_of_one_length_share_its_median(result: SimResult) -> None:
    rows = {row.num_tokens: row.latency_s for row in result.sentences}
    assert [row.latency_s for row in result.sentences] == [rows[n] for n in LENGTHS]
    assert result.latency_s.value == pytest.approx(np.mean([rows[n] for n in LENGTHS]))
    assert result.latency_s.low <= result.latency_s.value <= result.latency_s.high
    assert result.accuracy == 0.75


def test_no_energy_area_or_roofline_is_invented(result: SimResult) -> None:
    absent = ("energy_j", "chip_energy_j", "offchip_energy_j", "host_energy_j", "energy_delay_js",
              "area_mm2", "ideal_latency_s", "peak_macs_per_s")  # fmt: skip
    assert [name for name in absent if getattr(result, name) is not None] == []
    assert all(row.energy_j is None for row in (*result.sentences, *result.breakdown))
    assert result.percentile("energy_j", 0.5) is None
    record = result.to_json()
    assert [name for name in (*absent, "energy_p50_j", "energy_p95_j") if record[name]] == []
    assert "energy_j" not in record["intervals"]
    assert result.sources == ()
    assert "1 thread, torch" in result.operating_points[0]


def test_the_result_file_comes_back_value_for_value(result: SimResult, tmp_path: Path) -> None:
    result.save(tmp_path / "r.json")
    assert SimResult.load(tmp_path / "r.json") == result


def test_reports_say_not_measured_and_ratios_of_energy_are_not_given(
    result: SimResult, trace: OpTrace, workload: es.Workload
) -> None:
    text = result_text(result)
    energy = next(line for line in text.splitlines() if line.startswith("energy, mean"))
    assert energy.endswith("not measured")
    assert "0 J" not in text
    chip = es.simulate(trace, es.load_chip("edgebert-n16"), workload=workload)
    for baseline in (0, 1):
        comparison = compare([chip, result], baseline)
        ratios = {line.quantity: line for line in comparison.ratios}
        assert ratios["latency"].ratio is not None
        for quantity in ("energy", "energy-delay product", "chip energy only"):
            assert ratios[quantity].ratio is None
            assert "n/a, not measured on both sides" in ratios[quantity].text
        assert any("measured on the machine at hand" in line for line in comparison.caveats)
        frame = comparison.to_frame()
        assert frame["energy_j"].isna().tolist() == [False, True]
        assert frame["energy_ratio"].isna().tolist() == [baseline == 1, True]


def test_a_report_folder_with_pictures_holds_it(
    result: SimResult, trace: OpTrace, workload: es.Workload, tmp_path: Path
) -> None:
    chip = es.simulate(trace, es.load_chip("tx2-maxq"), workload=workload)
    results = [chip, result]
    write_report(tmp_path / "report", results, compare(results), "Here and there")
    assert read_report(tmp_path / "report") == tuple(results)
    text = (tmp_path / "report" / "report.md").read_text()
    assert "the machine at hand was timed as a whole" in text
    (tmp_path / "alone").mkdir()
    assert len(save_pictures(tmp_path / "alone", result)) == 5


def test_a_trace_alone_exits_and_files_of_programs_cannot_be_timed(
    trace: OpTrace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chip = es.load_chip("host-cpu", OVERRIDES)
    with pytest.raises(InputError, match="a trace has no weights"):
        es.simulate(trace, chip, pad_to=8)
    with pytest.raises(InputError, match=r"allowed is a torch\.nn\.Module"):
        es.simulate(trace, chip, pad_to=8, model="tiny")
    model = "minilm-sst2-ee"
    stored = es.find_model(model).path / "trace.npz"
    for arguments, words in (
        (["run", str(stored), "--pad-to", "8"], "a trace has no weights"),
        (["run", model, "--exit-threshold", "0.2"], "leave the exit options out"),
    ):
        assert main([*arguments, "--chip", "host-cpu"]) == 2
        assert words in capsys.readouterr().err


def test_the_command_times_the_shipped_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "s.tsv"
    text.write_text("sentence\nfine\n")
    command = ["run", "minilm-sst2-ee", "--sentences", str(text), "--chip", "host-cpu", "--json"]
    assert main([*command, "--set", "repeats=3"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["latency_s"] > 0
    assert record["energy_j"] is None


def test_faults_of_its_chip_file_are_named() -> None:
    with pytest.raises(ChipError, match="repeats"):
        es.load_chip("host-cpu", {"repeats": 1})
    chip = es.load_chip("host-cpu", {"threads": 2})
    assert isinstance(chip, HostCpuSpec)
    assert chip.threads == 2
