"""What is written depends on nothing but its inputs, and JSON is JSON."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edgesim as es
from edgesim.cli import main
from edgesim.files import json_text, json_values
from edgesim.paths import zoo_path
from edgesim.sweeps.outcome import stored_result


def strict(text: str) -> Any:
    """The value of a JSON text; ValueError for the words that Python adds to JSON."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def edgesim(seed: int, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "edgesim.cli", *arguments], env=environment, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_two_processes_record_the_same_bytes_in_the_chips_arithmetic(tmp_path: Path) -> None:
    folder, text = tmp_path / "toy", tmp_path / "s.tsv"
    recipe = zoo_path("minilm-sst2-ee") / "recipe.yaml"
    edgesim(0, "compress", str(recipe), "--smoke", "-o", str(folder))
    text.write_text("sentence\tlabel\nthe film is good\t1\na bad and long film\t0\n")
    files = [tmp_path / f"{seed}.npz" for seed in (1, 2)]
    for seed, file in zip((1, 2), files, strict=True):
        command = ("record", str(folder), "--sentences", str(text), "--arithmetic", "chip")
        edgesim(seed, *command, "-o", str(file))
    first, second = (es.Workload.load(file) for file in files)
    assert any("clamped: " in note for note in first.notes), "the note that lists names is tried"
    assert first.notes == second.notes
    assert files[0].read_bytes() == files[1].read_bytes()


def test_numbers_that_json_lacks_are_null_or_text() -> None:
    content = {"a": [math.inf, -math.inf, math.nan, 1.5], "b": (1, "inf", None)}
    assert json_values(content) == {"a": ["inf", "-inf", None, 1.5], "b": [1, "inf", None]}
    assert strict(json_text(content)) == json_values(content)


def test_an_infinite_threshold_is_written_as_text_and_read_back(tmp_path: Path) -> None:
    model = es.find_model("minilm-sst2-ee")
    result = es.simulate(
        model.trace(), es.load_chip("edgebert-n16"), workload=model.workload(),
        exit_policy=es.EntropyExit(math.inf),
    )  # fmt: skip
    result.save(tmp_path / "r.json")
    record = strict((tmp_path / "r.json").read_text())
    assert record["settings"]["exit_threshold"] == "inf"
    loaded = es.SimResult.load(tmp_path / "r.json")
    assert loaded.settings["exit_threshold"] == math.inf
    assert loaded.to_json() == result.to_json()


@pytest.mark.parametrize("command", ["run", "compare"])
def test_commands_print_json_that_every_reader_takes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "minilm-sst2-ee", "--exit-threshold=inf", "--json=-"]) == 0
    strict(capsys.readouterr().out)


def test_a_store_keeps_an_infinite_threshold(tmp_path: Path) -> None:
    space = es.Space({"exit_threshold": [0.2, math.inf]}, model="minilm-sst2-ee", sentences=5)
    before = es.sweep(space, store=tmp_path / "s.db", executor="serial").frame
    after = stored_result(tmp_path / "s.db").frame
    assert after["exit_threshold"].tolist() == [0.2, math.inf]
    assert before["label"].tolist() == after["label"].tolist()
