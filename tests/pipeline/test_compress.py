"""A freshly compressed model answers in the chip's arithmetic without further steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgesim as es
from edgesim.cli import main
from edgesim.compress.smoke import NUM_DEV, NUM_SELECTION, smoke_text
from edgesim.ir.activation_statistics import FILE_NAME, ActivationStatistics
from edgesim.ir.trace_file import load_trace
from edgesim.paths import zoo_path
from edgesim.pipeline.compress import compress_and_lower
from edgesim.pipeline.models import ModelFolder

RECIPE = zoo_path("minilm-sst2-ee") / "recipe.yaml"


def compressed(out: Path) -> ModelFolder:
    done = compress_and_lower(
        RECIPE, data_dir=None, base=None, out_dir=out, work_dir=None, smoke_run=True
    )
    return ModelFolder(done.folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return compressed(tmp_path_factory.mktemp("smoke") / "toy")


def test_it_is_calibrated_on_its_selection_slice(folder: ModelFolder) -> None:
    measured = ActivationStatistics.load(folder.path / FILE_NAME)
    assert measured.origin == (
        f"the selection slice, {NUM_SELECTION} smoke training rows that were left out of training"
    )
    assert measured.zeros_origin == f"{measured.origin}, in the arithmetic of edgebert-n16"
    trace = folder.trace()
    assert set(measured.tensors) == {op.output for op in trace.all_ops() if op.kind != "exit_check"}
    assert load_trace(folder.path / "trace.npz").calibration is None


def test_a_run_in_the_chips_arithmetic_takes_the_answers_stored_with_it(
    folder: ModelFolder,
) -> None:
    chip, stored = es.load_chip("edgebert-n16"), folder.workload("chip")
    assert (stored.arithmetic, len(stored)) == ("chip", NUM_DEV)
    result = es.simulate(
        folder.trace("chip"),
        chip,
        workload=stored,
        arithmetic="chip",
        exit_policy=es.EntropyExit(0.5),
    )
    assert result.settings["arithmetic"] == "chip"
    assert not any("dense" in line for line in result.assumed)
    plain = folder.workload()
    assert plain.logits is not None
    assert stored.logits is not None
    assert np.abs(stored.logits - plain.logits).max() > 0


def test_calibrating_again_over_the_same_text_changes_nothing(
    folder: ModelFolder, tmp_path: Path
) -> None:
    train, _ = smoke_text(seed=1)
    assert train.labels is not None
    rows = "".join(
        f"{sentence}\t{label}\n"
        for sentence, label in zip(train.sentences, train.labels, strict=True)
    )
    (tmp_path / "sst2").mkdir()
    (tmp_path / "sst2" / "train.tsv").write_text("sentence\tlabel\n" + rows)
    output = tmp_path / "again.json"
    origin = ActivationStatistics.load(folder.path / FILE_NAME).origin
    arguments = ["--zeros-on", "edgebert-n16", "--origin", origin, "-o", str(output)]
    assert main(["calibrate", str(folder.path), "--data", str(tmp_path), *arguments]) == 0
    assert output.read_bytes() == (folder.path / FILE_NAME).read_bytes()


def test_ranges_of_an_earlier_model_in_the_folder_do_not_stay(folder: ModelFolder) -> None:
    before = (folder.path / FILE_NAME).read_bytes()
    foreign = '{"kind": "activation statistics", "schema_version": 1, "origin": "x", '
    (folder.path / FILE_NAME).write_text(foreign + '"zeros_origin": null, "tensors": {"y": [1]}}')
    compressed(folder.path)
    assert (folder.path / FILE_NAME).read_bytes() == before
