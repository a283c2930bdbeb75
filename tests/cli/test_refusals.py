"""Options that do not fit together or name no file are refused in one line, before any work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from edgesim.cli import main
from edgesim.paths import zoo_path

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


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "a\\b", ".x", "con", "x" * 300])
def test_a_recipe_whose_name_leads_elsewhere_is_refused_and_writes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = yaml.safe_load((zoo_path(MODEL) / "recipe.yaml").read_text(encoding="utf-8"))
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "r.yaml").write_text(yaml.safe_dump(recipe | {"name": name}))
    monkeypatch.chdir(inner)
    for more in (["--data", "."], ["--smoke", "-o", "out"]):
        assert main(["compress", "r.yaml", *more]) == 2
        output, error = capsys.readouterr()
        assert re.match(r"edgesim: r\.yaml:\d+: name: .* cannot name a file or folder", error)
        assert (error.count("\n"), output) == (1, "")
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "r.yaml"}
