"""The shipped model of the full recipe keeps what its card promises, read from its own files."""

from __future__ import annotations

import pytest

from edgesim.compress import assessment
from edgesim.compress.card import card_text
from edgesim.compress.evaluate import accuracy_by_ramp, early_exit
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.pruning import encoder_zero_fraction
from edgesim.compress.recipe import load_recipe
from edgesim.compress.zoo import load_zoo_model
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.ir.trace_file import load_trace
from edgesim.ir.workload import Workload
from edgesim.paths import zoo_path

FOLDER = zoo_path("minilm-sst2-edgebert")
HEADS = 72


@pytest.fixture(scope="module")
def model() -> MultiExitClassifier:
    return load_zoo_model(FOLDER)


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Workload.load(FOLDER / "dev_workload.npz")


def test_full_depth_is_above_87_and_a_half_percent(workload: Workload) -> None:
    assert workload.logits is not None
    assert workload.labels is not None
    full = accuracy_by_ramp(workload.logits, workload.labels)[-1]
    assert full.num == 872
    assert full.value >= 0.875


@pytest.mark.xfail(strict=True, reason="2.06 points are lost on dev: one sentence too many")
def test_full_depth_is_within_two_points_of_the_dense_model(workload: Workload) -> None:
    assert workload.logits is not None
    assert workload.labels is not None
    predictions = assessment.read_predictions(assessment.load_evaluation(FOLDER))
    assert predictions is not None
    full = accuracy_by_ramp(workload.logits, workload.labels)[-1]
    assert full.value >= (predictions == workload.labels).mean() - 0.02


def test_exits_cost_at_most_a_further_point(workload: Workload) -> None:
    assert workload.logits is not None
    assert workload.labels is not None
    threshold = load_zoo_config(FOLDER).thresholds_nats["1"]
    point = early_exit(workload.logits, workload.labels, threshold)
    full = accuracy_by_ramp(workload.logits, workload.labels)[-1]
    assert point.accuracy.value >= full.value - 0.01
    assert point.average_exit_layer <= 3.0


def test_half_of_the_encoder_and_more_than_half_of_the_embeddings_are_zero(
    model: MultiExitClassifier,
) -> None:
    assert encoder_zero_fraction(model.encoder.encoder) >= 0.5  # type: ignore[arg-type]
    tables = model.encoder.embeddings.word_embeddings.weight  # type: ignore[union-attr]
    assert float((tables == 0).float().mean()) >= 0.6 - 1e-3  # type: ignore[operator]


def test_a_third_of_the_heads_is_gone_from_model_and_trace() -> None:
    config = load_zoo_config(FOLDER)
    assert config.spans is not None
    kept = [len(row) for row in config.spans]
    assert HEADS - sum(kept) >= HEADS / 3
    trace = load_trace(FOLDER / "trace.npz")
    scores = [op for op in trace.all_ops() if op.kind == "attention_scores"]
    assert [op.num_heads for op in scores] == kept
    assert [op.spans for op in scores] == list(config.spans)


def test_both_minilm_models_share_one_file_of_embeddings() -> None:
    other = load_zoo_config(zoo_path("minilm-sst2-ee"))
    assert load_zoo_config(FOLDER).embeddings == other.embeddings


def test_the_card_is_the_one_that_the_figures_give() -> None:
    recipe, config = load_recipe(FOLDER / "recipe.yaml"), load_zoo_config(FOLDER)
    expected = card_text(recipe, config, assessment.load_evaluation(FOLDER))
    assert (FOLDER / "card.md").read_text(encoding="utf-8") == expected
