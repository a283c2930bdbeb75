"""Recording a workload of a classifier without off-ramps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm

from edgesim.compress.record import equal_length_rows, sentence_hash
from edgesim.compress.text import LabelledText, tokenize
from edgesim.errors import InputError
from edgesim.ir.workload import Workload


def record_classifier(
    model: nn.Module, tokenizer: Tokenizer, text: LabelledText, *, name: str, model_name: str = ""
) -> Workload:  # fmt: skip
    """The workload of text under a Hugging Face classifier: lengths and logits, no entropies.

    Raises InputError for a model without classifier, a sentence longer than its position table,
    token ids that it does not know, and a label that it does not have.
    """
    config: Any = model.config
    if not type(model).__name__.endswith("ForSequenceClassification"):
        raise InputError(
            f"{model_name}: a {type(model).__name__} has no classifier, so sentences have no "
            "answer; run it with --pad-to N"
        )
    tokens = tokenize(tokenizer, text, int(config.max_position_embeddings))
    largest = max(int(ids.max()) for ids in tokens)
    if largest >= config.vocab_size:
        raise InputError(
            f"{model_name}: token id {largest}, the model knows {config.vocab_size}; the "
            "tokenizer belongs to another model"
        )
    num_labels = int(config.num_labels)
    text.check_labels(num_labels, name)
    return Workload(
        name=name, num_tokens=np.array([len(ids) for ids in tokens], dtype=np.int64),
        entropies=None, logits=_logits(model, tokens, num_labels), labels=text.labels,
        token_ids=tuple(tokens), in_order=True,
        sentence_hashes=tuple(sentence_hash(sentence) for sentence in text.sentences),
        model=model_name,
    )  # fmt: skip


def _logits(
    model: nn.Module, tokens: Sequence[NDArray[np.int64]], num_labels: int
) -> NDArray[np.float32]:
    """Logits (sentences, 1, labels) without padding; NaN raises InputError."""
    out = np.empty((len(tokens), 1, num_labels), dtype=np.float32)
    with torch.inference_mode(), tqdm(total=len(tokens), desc="record", disable=None) as bar:
        for rows in equal_length_rows(tokens):
            ids = torch.from_numpy(np.stack([tokens[row] for row in rows]))
            answer: Any = model(input_ids=ids, attention_mask=torch.ones_like(ids))
            out[rows, 0] = answer.logits.numpy()
            bar.update(len(rows))
    if not np.isfinite(out).all():
        raise InputError("the model's logits hold NaN or infinite values; its weights are damaged")
    return out
