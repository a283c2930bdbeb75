"""The README's results are what the commands beside them print."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgesim as es
from edgesim.ir.result import SimResult
from edgesim.report.compare import comparison_rows

README = Path(__file__).parent.parent / "README.md"
THRESHOLD = 0.24
ROWS = ("latency, mean", "energy, mean", "average exit layer", "accuracy (95 % interval)", "area")


def table_row(name: str) -> list[str]:
    """Cells of a row of the first results table."""
    for line in README.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] == name:
            return cells[1:]
    raise AssertionError(f"the README has no row {name!r}")


@pytest.fixture(scope="module")
def results() -> list[SimResult]:
    """The demo's compared runs, in the order of the table's columns."""
    folder = es.find_model("minilm-sst2-ee")
    trace, workload = folder.trace(), folder.workload()
    assert folder.thresholds()["1"] == THRESHOLD
    leave = es.EntropyExit(THRESHOLD)
    chip, gpu = es.load_chip("edgebert-n16"), es.load_chip("tx2-maxn")
    return [
        es.simulate(trace, chip, workload=workload),
        es.simulate(trace, chip, workload=workload, exit_policy=leave),
        es.simulate(trace, gpu, workload=workload, precision="fp16"),
        es.simulate(trace, gpu, workload=workload, precision="fp16", exit_policy=leave),
        es.simulate(trace, gpu, workload=workload, precision="fp32"),
    ]


@pytest.mark.parametrize("name", ROWS)
def test_the_results_table_holds_what_the_demo_prints(results: list[SimResult], name: str) -> None:
    _, rows = comparison_rows(results)
    printed = next(row[1:] for row in rows if row[0].strip() == name)
    assert table_row(name) == [cell.strip() for cell in printed]
