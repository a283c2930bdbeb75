"""The commands over the chip's arithmetic refuse what they cannot do, in one line."""

from __future__ import annotations

import pytest

from edgesim.cli import main

MODEL = "minilm-sst2-ee"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", MODEL, "--arithmetic", "half"], "allowed: float32, chip, edgebert-hls-as-rel"),
        (["numerics", "nope"], "no shipped model named 'nope'"),
        (["numerics", MODEL, "--chip", "tx2-maxn"], "only an accelerator"),
        (["numerics", MODEL, "--sentences", "none.tsv"], "none.tsv: no such file"),
        (["numerics", MODEL, "--exit-threshold", "-1"], "at least 0"),
        (["calibrate", "nope", "--sentences", "none.tsv"], "no shipped model named 'nope'"),
        (["run", MODEL, "--arithmetic", "edgebert-hls-as-released"], "without their order"),
        (["run", MODEL, "--calibration", "none.json"], "none.json: cannot be read"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_two(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert expected in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_the_shipped_model_is_calibrated_on_its_selection_slice() -> None:
    from edgesim.ir.activation_statistics import ActivationStatistics
    from edgesim.pipeline.models import find_model

    folder = find_model(MODEL)
    measured = ActivationStatistics.load(folder.path / "activation_statistics.json")
    assert "selection slice" in measured.origin
    trace = folder.trace()
    written = {op.output for op in trace.all_ops() if op.kind != "exit_check"}
    assert set(measured.tensors) == written
    assert trace.calibration == measured.origin


def test_recorded_answers_of_the_shipped_model_are_those_of_the_default_chip() -> None:
    from edgesim.hw.loader import load_chip
    from edgesim.pipeline.arithmetic import answered
    from edgesim.pipeline.models import find_model

    folder = find_model(MODEL)
    stored = folder.workload("chip")
    assert stored.arithmetic == "chip"
    assert answered(folder.trace(), load_chip("edgebert-n16"), stored, "chip")[0] is stored
