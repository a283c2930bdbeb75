"""The command `edgesim faults`: what it prints and writes, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesim.cli import main


def test_it_prints_a_row_per_mask_medium_and_writes_data_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["faults", "--medium", "reram_mlc3", "--tensor", "offramp_weight", "--trials", "2"]
    assert main([*arguments, "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert "own demo sentences" in text
    assert "64 sentences" in text
    assert "trials in" in text
    rows = [line for line in text.splitlines() if line.startswith("reram_mlc3  ")]
    assert [row.split()[1] for row in rows] == ["reram_slc", "reram_mlc3"]
    assert sorted(path.name for path in out.iterdir()) == [
        "accuracy_by_fault_rate.png", "faults.csv", "faults.json"
    ]  # fmt: skip
    content = json.loads((out / "faults.json").read_text())
    assert content["num_sentences"] == 64
    assert len(content["points"][0]["trials"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere"),
        (["--medium", "reram_mlc4"], "reram_mlc4"),
        (["--tensor", "weights"], "allowed: embedding_weight"),
        (["--trials", "0"], "1 or more"),
        (["--seed", "-1"], "0 or more"),
        (["--rates", "2"], "cell fault rate"),
        (["--chip", "tx2-maxn"], "accelerator"),
        (["--data", "/nowhere"], "no such file"),
        (["--exit-threshold", "nan"], "threshold"),
        (["-o", "/nowhere/at/all"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["faults", "--tensor", "offramp_weight", "--trials", "1", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("edgesim: ")
    assert words in error
