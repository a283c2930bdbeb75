"""The shipped model keeps what the card promises; read from its own files, not trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesim.compress import assessment
from edgesim.compress.card import card_text
from edgesim.compress.evaluate import accuracy_by_ramp, early_exit, entropy_nats
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import load_recipe
from edgesim.compress.record import record, sentence_hash
from edgesim.compress.text import read_tsv
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.ir.token_counts import load_token_counts
from edgesim.ir.workload import Workload
from edgesim.paths import zoo_path

FOLDER = zoo_path("minilm-sst2-ee")
DEV = Path(__file__).parents[3] / "shared" / "data" / "sst2" / "dev.tsv"


@pytest.fixture(scope="module")
def model() -> MultiExitClassifier:
    return load_zoo_model(FOLDER)


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Workload.load(FOLDER / "dev_workload.npz")


def test_weights_and_embeddings_together_take_at_most_16_megabytes() -> None:
    config = load_zoo_config(FOLDER)
    files = (FOLDER / config.weights.file, FOLDER.parent / "shared" / config.embeddings.file)
    assert sum(path.stat().st_size for path in files) <= 16e6


def test_half_of_every_encoder_matrix_and_60_percent_of_the_embeddings_are_zero(
    model: MultiExitClassifier,
) -> None:
    for name, weight in model.named_parameters():
        zeros = float((weight == 0).float().mean())
        if name.startswith("encoder.encoder") and weight.dim() == 2:
            assert 0.5 - 1e-4 <= zeros < 0.56, name
        if "embeddings.weight" in name:
            assert 0.6 - 1e-3 <= zeros < 0.66, name


def test_the_dense_model_reaches_89_percent_at_full_depth(workload: Workload) -> None:
    predictions = assessment.read_predictions(assessment.load_evaluation(FOLDER))
    assert predictions is not None
    assert (predictions == workload.labels).mean() >= 0.89


def test_the_compressed_model_stays_within_a_point_and_a_half_of_the_dense_one(
    workload: Workload,
) -> None:
    assert workload.logits is not None
    assert workload.labels is not None
    predictions = assessment.read_predictions(assessment.load_evaluation(FOLDER))
    compressed = accuracy_by_ramp(workload.logits, workload.labels)[-1]
    assert compressed.num == 872
    assert compressed.value >= (predictions == workload.labels).mean() - 0.015


def test_early_exit_halves_the_depth_within_one_point_of_full_depth(workload: Workload) -> None:
    assert workload.logits is not None
    assert workload.labels is not None
    threshold = load_zoo_config(FOLDER).thresholds_nats["1"]
    point = early_exit(workload.logits, workload.labels, threshold)
    full = accuracy_by_ramp(workload.logits, workload.labels)[-1]
    assert point.average_exit_layer <= 3.0
    assert point.accuracy.value >= full.value - 0.01


def test_demo_sentences_leave_within_half_a_layer_of_dev(
    model: MultiExitClassifier, workload: Workload
) -> None:
    assert workload.logits is not None
    assert workload.labels is not None
    config, demo = load_zoo_config(FOLDER), read_tsv(FOLDER / "demo_sentences.tsv")
    threshold = config.thresholds_nats["1"]
    live = record(model, load_zoo_tokenizer(FOLDER), demo, name="demo", max_tokens=128)
    assert live.logits is not None
    assert demo.labels is not None
    demo_exit = early_exit(live.logits, demo.labels, threshold)
    dev_exit = early_exit(workload.logits, workload.labels, threshold)
    assert abs(demo_exit.average_exit_layer - dev_exit.average_exit_layer) <= 0.5


def test_recorded_entropies_are_those_of_the_recorded_logits(workload: Workload) -> None:
    assert workload.logits is not None
    assert np.allclose(workload.entropies, entropy_nats(workload.logits), atol=1e-12)
    assert workload.token_ids is not None
    assert [len(ids) for ids in workload.token_ids] == workload.num_tokens.tolist()


def test_the_card_is_the_one_that_the_figures_give() -> None:
    recipe, config = load_recipe(FOLDER / "recipe.yaml"), load_zoo_config(FOLDER)
    expected = card_text(recipe, config, assessment.load_evaluation(FOLDER))
    assert (FOLDER / "card.md").read_text(encoding="utf-8") == expected


def test_token_counts_cover_the_vocabulary() -> None:
    counts = load_token_counts(FOLDER / "token_counts.npz")
    assert len(counts) == load_zoo_config(FOLDER).encoder.vocab_size
    rows = assessment.load_evaluation(FOLDER)["num_rows"]["train"]
    tokenizer = load_zoo_tokenizer(FOLDER)
    assert counts[tokenizer.token_to_id("[CLS]")] == rows


def test_the_recorded_dev_set_is_the_live_one(
    model: MultiExitClassifier, workload: Workload
) -> None:
    """Needs the text of SST-2, which is not part of the repository."""
    if not DEV.is_file():
        pytest.skip("the text of SST-2 is not part of the repository")
    dev = read_tsv(DEV)
    assert tuple(sentence_hash(s) for s in dev.sentences) == workload.sentence_hashes
    rows = range(0, 872, 40)
    live = record(model, load_zoo_tokenizer(FOLDER), dev.take(rows), name="d", max_tokens=128)
    assert workload.logits is not None
    assert np.allclose(live.logits, workload.logits[list(rows)], atol=1e-4)
