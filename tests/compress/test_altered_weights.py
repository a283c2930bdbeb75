"""Altered weights: the answers of a model that really holds them, and nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgesim.compress.altered_weights import WORD_TABLE, SentenceRuns, sentence_runs
from edgesim.compress.record import unpadded_logits
from tests.compress.toy_models import rounded, toy_model

TOKENS = [np.array(ids) for ids in ([2, 9, 3], [2, 5, 7, 3], [2, 9, 8, 3], [2, 11, 12, 13, 14, 3])]


@pytest.fixture
def runs() -> SentenceRuns:
    return sentence_runs(rounded(toy_model()), TOKENS, np.array([0, 1, 0, 1]))


@pytest.mark.parametrize(
    "name",
    [WORD_TABLE, "encoder.embeddings.position_embeddings.weight", "ramps.1.classifier.weight",
     "encoder.encoder.layer.2.output.dense.bias"],
)  # fmt: skip
def test_answers_are_those_of_a_model_with_the_altered_weights(
    runs: SentenceRuns, name: str
) -> None:
    elements = np.arange(0, runs.weights()[name].size, 3)
    values = np.linspace(-1, 1, len(elements)).astype(np.float32)
    got = runs.altered_logits({name: (elements, values)})
    other = rounded(toy_model())
    dict(other.named_parameters())[name].data.view(-1)[torch.from_numpy(elements)] = (
        torch.from_numpy(values)
    )
    expected = unpadded_logits(other, TOKENS)
    assert np.allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(got, runs.logits, atol=1e-4)


def test_the_model_is_as_before_afterwards(runs: SentenceRuns) -> None:
    before = {name: value.copy() for name, value in runs.weights().items()}
    for name in before:
        runs.altered_logits({name: (np.array([0, 1]), np.array([3, -3], dtype=np.float32))})
    after = runs.weights()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert np.array_equal(unpadded_logits(runs.model, TOKENS), runs.logits)


def test_sentences_without_an_altered_row_are_not_run_again(runs: SentenceRuns) -> None:
    row = 9
    elements = row * 32 + np.arange(32)
    got = runs.altered_logits({WORD_TABLE: (elements, np.ones(32, dtype=np.float32))})
    same = [(got[i] == runs.logits[i]).all() for i in range(len(TOKENS))]
    assert same == [False, True, False, True]


def test_no_change_gives_the_unaltered_answers(runs: SentenceRuns) -> None:
    nothing = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    assert runs.altered_logits({WORD_TABLE: nothing}) is runs.logits


def test_ramp_inputs_are_in_sentence_order(runs: SentenceRuns) -> None:
    ramp = runs.model.ramps[2].classifier  # type: ignore[union-attr]
    with torch.inference_mode():
        logits = ramp(torch.from_numpy(runs.ramp_inputs[:, 2])).numpy()  # type: ignore[operator]
    assert np.allclose(logits, runs.logits[:, 2], atol=1e-6)
