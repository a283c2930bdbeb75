"""Options that do not fit together or name no file are refused in one line, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.cli import main

MODEL = "minilm-sst2-ee"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", MODEL, "--precision", "fp16"], "--precision fp16: of a GPU"),
        (
            ["compare", MODEL, "--chips", "edgebert-n8", "edgebert-n16", "--precision", "fp16"],
            "none of edgebert-n8, edgebert-n16 is",
        ),
        (["run", MODEL, "--latency-target", "1mm"], "--latency-target: "),
        (["run", MODEL, "--timeline", "{folder}"], "is a folder; name a file"),
        (["lower", MODEL, "-o", "{folder}"], "is a folder; name a file"),
        (["record", MODEL, "--sentences", "t.tsv", "-o", "{folder}"], "is a folder; name a file"),
        (["power-on", "--chip", "tx2-maxn", MODEL], "is of kind gpu"),
    ],
)  # fmt: skip
def test_one_line_says_what_to_change(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(folder=tmp_path) for part in arguments]) == 2
    output, error = capsys.readouterr()
    assert words in error
    assert (error.count("\n"), output) == (1, "")
