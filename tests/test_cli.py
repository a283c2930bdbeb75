"""The command line through a subprocess: what it prints, writes and refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgesim as es

MODEL = "minilm-sst2-ee"
PROMISED = {
    "schema_version", "chip", "model", "num_sentences", "accuracy", "average_exit_layer",
    "latency_s", "energy_j", "latency_p50_s", "latency_p95_s", "energy_p50_j", "energy_p95_j",
    "chip_energy_j", "offchip_energy_j", "host_energy_j", "ideal_latency_s", "area_mm2",
    "breakdown", "spilled_bytes", "sources", "assumed", "not_modelled",
}  # fmt: skip


def edgesim(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgesim.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def refused(*arguments: str) -> str:
    """The one line of a refused command."""
    done = edgesim(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("edgesim: ")
    return done.stderr


@pytest.fixture(scope="module")
def small_workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recorded dev sentences of the shipped model."""
    full = es.find_model(MODEL).workload()
    path = tmp_path_factory.mktemp("workload") / "three.npz"
    assert full.entropies is not None
    assert full.logits is not None
    assert full.labels is not None
    assert full.token_ids is not None
    es.Workload(
        "three", full.num_tokens[:3], full.entropies[:3], full.logits[:3], full.labels[:3],
        full.token_ids[:3], full.sentence_hashes[:3], full.model,
    ).save(path)  # fmt: skip
    return path


def test_run_writes_the_promised_json_keys(tmp_path: Path, small_workload: Path) -> None:
    out = tmp_path / "r.json"
    done = edgesim(
        "run", MODEL, "--chip", "edgebert-n16", "--workload", str(small_workload),
        "--exit-threshold", "0.3", "--json", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    assert not PROMISED - set(record)
    assert record["num_sentences"] == 3
    total = record["chip_energy_j"] + record["offchip_energy_j"] + record["host_energy_j"]
    assert total == pytest.approx(record["energy_j"], rel=1e-9)
    assert record["latency_s"] >= record["ideal_latency_s"]


def test_json_on_standard_output_is_all_that_is_printed() -> None:
    done = edgesim("chip", "list", "--json")
    names = [row["name"] for row in json.loads(done.stdout)]
    assert {"edgebert-n2", "edgebert-n32", "edgebert-n16-reram8m", "tx2-maxn"} <= set(names)


def test_set_changes_the_chip(small_workload: Path) -> None:
    shown = edgesim("chip", "show", "edgebert-n16", "--set", "pu.vector_size=8", "--json")
    assert json.loads(shown.stdout)["pu"]["vector_size"] == 8


def test_compare_names_both_sides_of_every_ratio(small_workload: Path) -> None:
    done = edgesim("compare", MODEL, "--workload", str(small_workload))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "energy" in line and "tx2" in line]
    assert any("edgebert-n16" in line for line in lines)


def test_a_saved_trace_needs_pad_to_and_then_runs_one_sentence(tmp_path: Path) -> None:
    trace = tmp_path / "t.npz"
    shutil.copy(es.find_model(MODEL).path / "trace.npz", trace)
    assert "--pad-to" in refused("run", str(trace))
    done = edgesim("run", str(trace), "--pad-to", "32", "--json")
    record = json.loads(done.stdout)
    assert record["num_sentences"] == 1
    assert record["accuracy"] is None


def test_damaged_and_missing_files_are_one_line(tmp_path: Path) -> None:
    whole = (es.find_model(MODEL).path / "trace.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused("run", str(cut), "--pad-to", "32")
    assert "no such" in refused("run", str(tmp_path / "none.npz"), "--pad-to", "32")
    assert "known:" in refused("run", "minilm-sst2-e")


def test_faults_of_a_chip_file_come_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "extends: edgebert-n16\nname: bad\npu: {vectr_size: 8}\n"
        "buffers:\n  operand0: {data: 1e30 B, mask: 16 KB}\n"
    )
    text = refused("chip", "check", str(path))
    assert "bad.yaml:3: pu.vectr_size" in text
    assert "did you mean 'vector_size'" in text
    assert "bad.yaml:5: buffers.operand0.data" in text
    assert "KiB" in text


def test_a_chip_smaller_than_one_tile_is_refused() -> None:
    text = refused("chip", "check", "edgebert-n16", "--set", "buffers.operand0.data=256 B")
    assert "tiles" in text
    assert text.count("buffers.operand0.data") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "header"),
        ("sentence\tlabel\n", "no sentences"),
        ("sentence\tlabel\n\t1\n", "empty"),
        ("sentence\tlabel\n" + "good " * 700 + "\t1\n", "tokens"),
        ("sentence\tlabel\nfine\tx\n", "label"),
    ],
)
def test_bad_sentence_files_are_one_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "s.tsv"
    path.write_text(content)
    out = tmp_path / "w.npz"
    assert words in refused("record", MODEL, "--sentences", str(path), "-o", str(out))
    assert not list(tmp_path.glob("w.npz*"))


def test_options_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    trace = tmp_path / "t.npz"
    shutil.copy(es.find_model(MODEL).path / "trace.npz", trace)
    assert "workload" in refused("run", str(trace), "--pad-to", "32", "--exit-threshold", "0.3")
    assert "threshold" in refused("run", MODEL, "--exit-threshold", "-1")
    assert "pad_to" in refused("run", MODEL, "--pad-to", "100000")
    assert "arithmetic" in refused("run", MODEL, "--arithmetic", "float64")
    assert "folder" in refused("run", MODEL, "--json", str(tmp_path / "no" / "r.json"))
    assert "path=value" in refused("run", MODEL, "--set", "pu.vector_size")


def test_record_gives_the_recorded_numbers_again(tmp_path: Path) -> None:
    sentences = tmp_path / "two.tsv"
    sentences.write_text("sentence\tlabel\na fine , moving film .\t1\ndull and far too long .\t0\n")
    out = tmp_path / "w.npz"
    done = edgesim("record", MODEL, "--sentences", str(sentences), "-o", str(out))
    assert done.returncode == 0, done.stderr
    workload = es.Workload.load(out)
    assert len(workload) == 2
    assert workload.entropies is not None
    assert workload.entropies.shape == (2, 6)
    assert workload.logits is not None
    shifted = workload.logits - workload.logits.max(axis=-1, keepdims=True)
    share = np.exp(shifted) / np.exp(shifted).sum(axis=-1, keepdims=True)
    entropy = -(share * np.log(share)).sum(axis=-1)
    np.testing.assert_allclose(workload.entropies, entropy, atol=1e-5)


def test_two_processes_print_the_same_bytes(small_workload: Path) -> None:
    command = ("run", MODEL, "--workload", str(small_workload), "--exit-threshold", "0.3", "--json")
    assert edgesim(*command).stdout == edgesim(*command).stdout


def test_smoke_training_ends_in_a_model_that_runs(tmp_path: Path) -> None:
    recipe = es.find_model(MODEL).path / "recipe.yaml"
    folder = tmp_path / "tiny"
    trained = edgesim("compress", str(recipe), "--smoke", "-o", str(folder))
    assert trained.returncode == 0, trained.stderr
    done = edgesim("run", str(folder), "--exit-threshold", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["num_sentences"] > 0
    assert "output folder" in refused("compress", str(recipe), "--smoke")
