"""Format studies: errors of weights, accuracy of a rounded model, origin of a training stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from edgesim.compress.altered_weights import sentence_runs
from edgesim.compress.recipe import load_recipe
from edgesim.compress.record import unpadded_logits
from edgesim.compress.stage_runs import _training_notes, zoo_weights
from edgesim.errors import InputError
from edgesim.ir.format_study import FormatStudy
from edgesim.numerics import parse_format
from edgesim.numerics.rms_error import FAMILIES, squared_error
from edgesim.pipeline import formats
from edgesim.pipeline.formats import format_study, write_format_study
from edgesim.pipeline.models import find_model
from edgesim.plot.formats import format_accuracy_data, format_error_data
from edgesim.report.formats import format_text
from tests.compress.toy_models import toy_model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    tensors = {f"w{i}": (0.1 * rng.standard_t(4, (40, 30))).astype(np.float32) for i in range(2)}
    save_file({**tensors, "bias": np.full(200, 1e6, dtype=np.float32)}, path)
    return path


@pytest.fixture(scope="module")
def errors(weights_file: Path) -> FormatStudy:
    return format_study(weights_file, widths=(4, 8))


def test_every_family_has_a_row_at_every_width_and_vectors_stay_out(errors: FormatStudy) -> None:
    found = {(row.family, row.bits) for row in errors.rows}
    assert found == {(family, bits) for family in FAMILIES for bits in (4, 8)}
    assert (errors.num_tensors, errors.num_weights) == (2, 2 * 40 * 30)
    assert all(row.correct is None for row in errors.rows)


def test_every_parameter_takes_the_vectors_in(weights_file: Path) -> None:
    study = format_study(weights_file, widths=(8,), every_parameter=True)
    assert (study.num_tensors, study.num_weights) == (3, 2 * 40 * 30 + 200)
    assert "biases and layer-norm parameters too" in study.notes[0]


def test_files_hold_the_rows_with_how_they_were_made(errors: FormatStudy, tmp_path: Path) -> None:
    names = write_format_study(errors, tmp_path / "out", "edgesim formats w.safetensors")
    assert names == ("formats.json", "formats.csv", "rms_error_by_format.png")
    content = json.loads((tmp_path / "out" / "formats.json").read_text())
    assert content["_meta"]["command"] == "edgesim formats w.safetensors"
    assert content["_meta"]["sha256"] == errors.sha256
    assert len(content["rows"]) == len(errors.rows)
    lines = (tmp_path / "out" / "formats.csv").read_text().splitlines()
    assert lines[0].startswith("family,bits,number_format,rms_error,relative_rms_error")
    assert len(lines) == 1 + len(errors.rows)
    assert len(format_error_data(errors)) == len(errors.rows)
    with pytest.raises(InputError, match="no accuracy"):
        format_accuracy_data(errors)
    assert "adaptivfloat<8,3>" in format_text(errors)


def test_accuracy_is_that_of_a_model_with_the_rounded_matrices() -> None:
    """Answers of a toy model, its matrices rounded by hand."""
    tokens = [np.array([2, word, 3]) for word in range(5, 45)]
    model = toy_model()
    labels = unpadded_logits(model, tokens)[:, -1].argmax(axis=-1)
    runs = sentence_runs(model, tokens, labels)
    matrices = {k: v for k, v in runs.weights().items() if v.ndim == 2}
    rows = formats._rows(matrices, (4, 8), runs)
    by_name = {row.number_format: row for row in rows}
    for name in ("int8", "int4"):
        other = toy_model()
        for parameter in other.parameters():
            if parameter.dim() == 2:
                rounded = parse_format(name).quantize(parameter.detach().numpy())
                parameter.data = torch.from_numpy(rounded)
        right = unpadded_logits(other, tokens)[:, -1].argmax(axis=-1) == labels
        assert by_name[name].correct == right.sum()
        assert by_name[name].points == pytest.approx(100 * (right.mean() - 1))
    assert np.array_equal(unpadded_logits(model, tokens), runs.logits)


def test_the_stored_weights_err_by_nothing_in_their_own_format() -> None:
    source = zoo_weights(find_model("minilm-sst2-ee").path)
    matrices = formats._chosen(source.tensors, every_parameter=False)
    assert len(matrices) == 3 + 6 * 6 + 6
    assert squared_error(matrices.values(), parse_format("adaptivfloat<8,3>").quantize) == 0
    assert "adaptivfloat<8,3> values already" in source.notes[0]


def test_notes_say_when_a_stage_was_trained_in_another_precision(tmp_path: Path) -> None:
    recipe = load_recipe(find_model("minilm-sst2-ee").path / "recipe.yaml")
    for precision, words in (("float32", "recipe says bfloat16"), ("bfloat16", "in bfloat16")):
        stages = [{"name": "dense", "precision": precision}]
        (tmp_path / "recipe.json").write_text(json.dumps({"stages": stages}))
        assert words in _training_notes(recipe, tmp_path / "dense.safetensors")[0]
    (tmp_path / "recipe.json").write_text("[]")
    assert "nothing beside" in _training_notes(recipe, tmp_path / "dense.safetensors")[0]


def test_weights_of_another_model_are_refused_by_name(weights_file: Path) -> None:
    with pytest.raises(InputError, match="w0 is unknown"):
        format_study("minilm-sst2-ee", weights_file=weights_file)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"widths": (2,)}, "3 to 16 bits"),
        ({"widths": ()}, "3 to 16 bits"),
        ({"model": "nowhere.safetensors"}, "no readable safetensors file"),
        ({"weights_file": Path("nowhere.safetensors")}, "no readable safetensors file"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        format_study(**({"model": "minilm-sst2-ee"} | asked))  # type: ignore[arg-type]


def test_a_file_of_weights_cannot_be_run(weights_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --data out"):
        format_study(weights_file, data_dir=tmp_path)
    save_file({"ids": np.zeros((2, 2), dtype=np.int64)}, tmp_path / "i.safetensors")
    with pytest.raises(InputError, match="no float matrix"):
        format_study(tmp_path / "i.safetensors")
