"""The exits command refuses what cannot be trained, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.cli import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "0"], "0 steps: at least 1"),
        (["--ramp-steps", "0"], "0 steps of the ramps: at least 1"),
        (["--batch", "-1"], "-1 rows a step: at least 1"),
        (["--weights", "none.safetensors"], "none.safetensors: no readable safetensors file"),
        ([], "train.tsv: no such file"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exits", "minilm-sst2-ee", "--data", str(tmp_path), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
