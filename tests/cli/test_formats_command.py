"""The command `edgesim formats`: what it prints and writes, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgesim.cli import main


def test_it_writes_a_table_of_a_file_of_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"w": np.random.default_rng(1).normal(size=(20, 20)).astype(np.float32)}, path)
    assert main(["formats", str(path), "--widths", "5", "-o", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "adaptivfloat<5," in text
    content = json.loads((tmp_path / "out" / "formats.json").read_text())
    assert content["_meta"]["command"].startswith("edgesim formats")
    assert (tmp_path / "out" / "rms_error_by_format.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere"),
        (["--widths", "1"], "3 to 16"),
        (["--weights", "absent.safetensors"], "no readable safetensors"),
        (["absent.safetensors"], "no readable safetensors"),
        (["-o", "/nowhere/at/all"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["formats", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert words in error[0]
