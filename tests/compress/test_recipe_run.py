"""A recipe from end to end on a toy task: 20 steps, a loadable folder, figures that add up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgesim.compress.assessment import evaluate_zoo
from edgesim.compress.evaluate import early_exit
from edgesim.compress.recipe_run import CompressResult, compress_recipe
from edgesim.compress.smoke import NUM_DEV, NUM_SELECTION, SPECIAL_TOKENS, smoke_text
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError
from edgesim.ir.token_counts import load_token_counts
from edgesim.ir.workload import Workload
from edgesim.paths import zoo_path

RECIPE = zoo_path("minilm-sst2-ee") / "recipe.yaml"


@pytest.fixture(scope="module")
def smoke_result(tmp_path_factory: pytest.TempPathFactory) -> CompressResult:
    out = tmp_path_factory.mktemp("smoke") / "toy"
    return compress_recipe(RECIPE, out_dir=out, smoke_run=True)


def test_the_smoke_run_leaves_a_whole_loadable_folder(smoke_result: CompressResult) -> None:
    folder = smoke_result.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "tokenizer.json", "recipe.yaml", "selection_rows.txt",
        "dev_workload.npz", "evaluation.json", "card.md", "token_counts.npz",
        "demo_sentences.tsv", "selection_workload.npz",
    }  # fmt: skip
    assert len(load_zoo_model(folder).ramps) == 3
    assert json.loads((folder / "evaluation.json").read_text()) == smoke_result.evaluation


def test_the_recorded_dev_set_belongs_to_the_stored_model(smoke_result: CompressResult) -> None:
    folder = smoke_result.folder
    workload, config = Workload.load(folder / "dev_workload.npz"), load_zoo_config(folder)
    assert len(workload) == NUM_DEV
    assert workload.logits is not None
    assert workload.labels is not None
    stored = smoke_result.evaluation["dev"]["exits"]["1"]
    point = early_exit(workload.logits, workload.labels, config.thresholds_nats["1"])
    assert stored["accuracy"]["correct"] == point.accuracy.correct
    assert stored["average_exit_layer"] == point.average_exit_layer


def test_thresholds_grow_with_the_allowed_loss(smoke_result: CompressResult) -> None:
    exits = smoke_result.evaluation["selection"]["exits"]
    layers = [exits[loss]["average_exit_layer"] for loss in ("1", "2", "5")]
    assert layers == sorted(layers, reverse=True)
    full = smoke_result.evaluation["selection"]["accuracy_by_ramp"][-1]
    assert full["num"] == NUM_SELECTION
    for loss in ("1", "2", "5"):
        assert exits[loss]["accuracy"]["value"] >= full["value"] - int(loss) / 100 - 1e-9


def test_token_counts_are_those_of_the_training_rows(smoke_result: CompressResult) -> None:
    counts = load_token_counts(smoke_result.folder / "token_counts.npz")
    train, _ = smoke_text(seed=1)
    held = {int(row) for row in (smoke_result.folder / "selection_rows.txt").read_text().split()}
    assert len(held) == NUM_SELECTION
    kept = [s for row, s in enumerate(train.sentences) if row not in held]
    tokenizer = load_zoo_tokenizer(smoke_result.folder)
    assert len(counts) == tokenizer.get_vocab_size()
    num_rows = smoke_result.evaluation["num_rows"]["train"]
    assert counts[tokenizer.token_to_id("[CLS]")] == num_rows <= len(kept)
    assert counts[: len(SPECIAL_TOKENS)].tolist() == [0, 0, num_rows, num_rows]


def test_pruning_and_rounding_have_happened(smoke_result: CompressResult) -> None:
    weights = smoke_result.evaluation["weights"]
    assert weights["encoder.embeddings"]["zero_fraction"] == pytest.approx(0.6, abs=0.02)
    assert weights["encoder.encoder"]["zero_fraction"] > 0.4
    stored = smoke_result.evaluation["stored_bytes"]
    assert stored["weights"] == (smoke_result.folder / "model.safetensors").stat().st_size


def test_evaluating_again_gives_the_figures_of_the_card(
    smoke_result: CompressResult, tmp_path: Path
) -> None:
    _, dev = smoke_text(seed=1)
    assert dev.labels is not None
    (tmp_path / "sst2").mkdir()
    rows = "".join(f"{s}\t{label}\n" for s, label in zip(dev.sentences, dev.labels, strict=True))
    (tmp_path / "sst2" / "dev.tsv").write_text("sentence\tlabel\n" + rows)
    assert evaluate_zoo(smoke_result.folder, tmp_path) == smoke_result.evaluation["dev"]


def test_the_card_states_origin_licence_and_method(smoke_result: CompressResult) -> None:
    card = (smoke_result.folder / "card.md").read_text()
    for part in ("Origin and licence", "measured", "Wilson", "Agresti and Min", "Demo sentences"):
        assert part in card
    full = smoke_result.evaluation["dev"]["accuracy_by_ramp"][-1]
    assert f"({full['correct']} of {full['num']};" in card


def test_a_second_smoke_run_writes_the_same_bytes(
    smoke_result: CompressResult, tmp_path: Path
) -> None:
    again = compress_recipe(RECIPE, out_dir=tmp_path / "toy", smoke_run=True).folder
    for path in smoke_result.folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_finished_stages_are_picked_up_and_other_recipes_refused(tmp_path: Path) -> None:
    work = tmp_path / "work"
    compress_recipe(RECIPE, out_dir=tmp_path / "a" / "toy", work_dir=work, smoke_run=True)
    stamps = {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")}
    assert sorted(path.name for path in stamps) == ["compressed.safetensors", "dense.safetensors"]
    compress_recipe(RECIPE, out_dir=tmp_path / "b" / "toy", work_dir=work, smoke_run=True)
    assert stamps == {path: path.stat().st_mtime_ns for path in work.glob("*.safetensors")}
    other = tmp_path / "recipe.yaml"
    other.write_text(RECIPE.read_text().replace("seed: 1", "seed: 2"))
    with pytest.raises(InputError, match="written by another recipe"):
        compress_recipe(other, out_dir=tmp_path / "c" / "toy", work_dir=work, smoke_run=True)


def test_a_smoke_run_never_overwrites_a_model() -> None:
    with pytest.raises(InputError, match="a smoke run needs an output folder"):
        compress_recipe(RECIPE, smoke_run=True)


def test_another_model_s_folder_is_left_alone(smoke_result: CompressResult, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.read_text().replace("name: minilm-sst2-ee", "name: another"))
    with pytest.raises(InputError, match="holds the model minilm-sst2-ee-smoke"):
        compress_recipe(recipe, out_dir=smoke_result.folder, smoke_run=True)


def test_missing_data_is_one_error() -> None:
    with pytest.raises(InputError, match="name the data folder"):
        compress_recipe(RECIPE)


def test_the_demo_sentences_are_balanced_and_of_the_promised_length() -> None:
    lines = (zoo_path("minilm-sst2-ee") / "demo_sentences.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    assert len(rows) == len({sentence for sentence, _ in rows}) == 64
    assert sum(label == "1" for _, label in rows) == 32
    words = [sum(any(c.isalnum() for c in token) for token in s.split()) for s, _ in rows]
    assert 18 <= np.mean(words) <= 22
