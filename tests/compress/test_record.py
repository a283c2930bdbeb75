"""Recording a workload: the numbers of the batch-1 forward pass, and no text."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from edgesim.compress.evaluate import entropy_nats
from edgesim.compress.record import record
from edgesim.compress.smoke import grammar_text, tiny_tokenizer
from edgesim.compress.text import LabelledText
from edgesim.errors import InputError
from edgesim.ir.workload import Workload
from tests.compress.toy_models import rounded, toy_model

TEXT = grammar_text(90, np.random.default_rng(2))


def test_a_recorded_workload_equals_the_forward_pass_of_each_sentence() -> None:
    model, tokenizer = rounded(toy_model()), tiny_tokenizer()
    workload = record(model, tokenizer, TEXT, name="toy", max_tokens=32, model_name="m")
    assert (workload.name, workload.model, workload.arithmetic) == ("toy", "m", "float32")
    assert workload.logits is not None
    assert workload.entropies is not None
    assert workload.token_ids is not None
    assert workload.logits.shape == (90, 3, 2)
    assert np.array_equal(workload.labels, TEXT.labels)
    for row, sentence in enumerate(TEXT.sentences):
        ids = torch.tensor([tokenizer.encode(sentence).ids])
        with torch.inference_mode():
            alone = model(ids, torch.ones_like(ids))[:, 0].numpy()
        assert np.allclose(workload.logits[row], alone, atol=1e-6)
        assert np.allclose(workload.entropies[row], entropy_nats(alone), atol=1e-6)
        assert workload.num_tokens[row] == ids.shape[1]
        assert workload.token_ids[row].tolist() == ids[0].tolist()
        assert workload.sentence_hashes[row] == hashlib.sha256(sentence.encode()).hexdigest()[:16]


def test_a_workload_survives_its_file_and_holds_no_text(tmp_path: Path) -> None:
    workload = record(rounded(toy_model()), tiny_tokenizer(), TEXT, name="toy", max_tokens=32)
    workload.save(tmp_path / "w.npz")
    loaded = Workload.load(tmp_path / "w.npz")
    assert np.array_equal(loaded.logits, workload.logits)
    assert loaded.sentence_hashes == workload.sentence_hashes
    with np.load(tmp_path / "w.npz", allow_pickle=False) as stored:
        raw = b"".join(stored[name].tobytes() for name in stored.files)
    assert b"film" not in raw


def test_labels_may_be_unknown() -> None:
    text = LabelledText(("the film is dull",), None)
    assert (
        record(rounded(toy_model()), tiny_tokenizer(), text, name="t", max_tokens=9).labels is None
    )


def test_a_sentence_longer_than_the_model_allows_is_refused() -> None:
    with pytest.raises(InputError, match="the model allows 9"):
        record(rounded(toy_model()), tiny_tokenizer(), TEXT, name="toy", max_tokens=9)


def test_a_label_that_the_model_does_not_have_is_refused() -> None:
    text = LabelledText(("the film is dull",), np.array([2]))
    with pytest.raises(InputError, match="has label 2, the model knows 0 to 1"):
        record(rounded(toy_model()), tiny_tokenizer(), text, name="toy", max_tokens=9)


def test_nan_weights_are_one_error() -> None:
    model = rounded(toy_model())
    model.ramps[0].classifier.bias.data[0] = float("nan")
    with pytest.raises(InputError, match="NaN"):
        record(model, tiny_tokenizer(), TEXT, name="toy", max_tokens=32)
