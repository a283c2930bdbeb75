"""The sparsity command refuses what cannot be pruned or trained, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.cli import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--encoder", "1"], "share of zeros 1: allowed are 0 to below 1"),
        (["--embeddings", "-0.1"], "share of zeros -0.1"),
        (["--steps", "0"], "0 steps: at least 1"),
        (["--batch", "0"], "0 rows a step"),
        (["--schedule", "0.7", "0.2"], "schedule 0.7 0.2: 0 <= START <= END <= 1"),
        ([], "no readable safetensors file"),
        (["-o", "no/such/folder"], "the folder no/such does not exist"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(tmp_path / "dense.safetensors")
    for name in ("train", "dev"):
        (tmp_path / "sst2").mkdir(exist_ok=True)
        rows = "".join(f"sentence {i}\t{i % 2}\n" for i in range(1200))
        (tmp_path / "sst2" / f"{name}.tsv").write_text(f"sentence\tlabel\n{rows}")
    command = ["sparsity", "minilm-sst2-ee", "--weights", weights, "--data", str(tmp_path)]
    assert main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
