"""The commands over the chip's arithmetic refuse what they cannot do, in one line."""

from __future__ import annotations

import pytest

from edgesim.cli import main

MODEL = "minilm-sst2-ee"
MODELS = (MODEL, "minilm-sst2-edgebert")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", MODEL, "--arithmetic", "half"], "allowed: float32, chip, edgebert-hls-as-rel"),
        (["numerics", "nope"], "no shipped model named 'nope'"),
        (["numerics", MODEL, "--chip", "tx2-maxn"], "only an accelerator"),
        (["numerics", MODEL, "--sentences", "none.tsv"], "none.tsv: no such file"),
        (["numerics", MODEL, "--exit-threshold", "-1"], "at least 0"),
        (["calibrate", "nope", "--sentences", "none.tsv"], "no shipped model named 'nope'"),
        (["numerics", MODEL, "--json", "no/f.json"], "no/f.json: the folder no does not exist"),
        (["calibrate", MODEL, "--data", "x", "-o", "no/f.json"], "the folder no does not exist"),
        (["record", MODEL, "--sentences", "x", "-o", "no/w.npz"], "the folder no does not exist"),
        (
            [
                "record",
                MODEL,
                "--sentences",
                "x",
                "-o",
                "w.npz",
                "--arithmetic",
                "chip",
                "--chip",
                "tx2-maxn",
            ],
            "only an accelerator",
        ),
        (["calibrate", MODEL, "--data", "none"], "train.tsv: no such file"),
        (
            ["run", MODEL, "--chip", "edgebert-isscc23", "--arithmetic", "chip"],
            "the values of fp8_e4m3 are not modelled",
        ),
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


@pytest.mark.parametrize("model", MODELS)
def test_shipped_models_are_calibrated_on_their_selection_slice(model: str) -> None:
    from edgesim.ir.activation_statistics import ActivationStatistics
    from edgesim.pipeline.models import find_model

    folder = find_model(model)
    measured = ActivationStatistics.load(folder.path / "activation_statistics.json")
    assert "selection slice" in measured.origin
    trace, inside = folder.trace(), folder.trace("chip")
    written = {op.output for op in trace.all_ops() if op.kind != "exit_check"}
    assert set(measured.tensors) == written
    assert trace.calibration == inside.calibration == measured.origin
    assert (trace.activation_statistics, trace.zeros_profile) == (None, None)
    assert inside.activation_statistics == measured.zeros_origin
    shares = [inside.tensors[op.output].density for op in inside.layers[0].ops]
    assert min(shares) < 0.9


def test_a_comparison_in_the_chips_arithmetic_keeps_the_gpu_in_float32(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["compare", MODEL, "--arithmetic", "chip", "--exit-threshold", "0.24"]) == 0
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("length, activations"))
    assert row.split()[-3:] == ["S", "own,", "float32"]
    assert "S own, chip" in row


@pytest.mark.parametrize("model", MODELS)
def test_recorded_answers_of_shipped_models_are_those_of_the_default_chip(model: str) -> None:
    from edgesim.hw.loader import load_chip
    from edgesim.pipeline.arithmetic import answered, as_stored
    from edgesim.pipeline.models import find_model

    folder, chip = find_model(model), load_chip("edgebert-n16")
    stored, trace = folder.workload("chip"), folder.trace("chip")
    assert stored.arithmetic == "chip"
    assert answered(trace, chip, stored, "chip")[0] is stored
    assert as_stored(trace, chip, "chip") is trace
