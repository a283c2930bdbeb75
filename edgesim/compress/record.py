"""Recording a workload: one float32 forward pass over labelled text, kept as numbers."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tqdm import tqdm

from edgesim.compress.evaluate import entropy_nats
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.text import LabelledText, tokenize
from edgesim.errors import InputError
from edgesim.ir.workload import Workload

HASH_DIGITS = 16
MAX_BATCH = 64


def equal_length_rows(tokens: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """Rows of equal length, at most MAX_BATCH at a time, shortest first."""
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, ids in enumerate(tokens):
        rows_of[len(ids)].append(row)
    for length in sorted(rows_of):
        rows = np.array(rows_of[length], dtype=np.int64)
        yield from np.array_split(rows, -(-len(rows) // MAX_BATCH))


def unpadded_logits(
    model: MultiExitClassifier, tokens: Sequence[NDArray[np.int64]], *, quiet: bool = False
) -> NDArray[np.float32]:
    """Logits of every ramp, (rows, num_ramps, num_labels), without a padded position anywhere.

    Batches hold sentences of one length, so the values are those of batch 1 up to the order of
    float32 sums. NaN logits raise InputError. `quiet` shows no progress bar.
    """
    model.eval()
    out = np.empty((len(tokens), len(model.ramps), model.num_labels), dtype=np.float32)
    shown = True if quiet else None
    with torch.inference_mode(), tqdm(total=len(tokens), desc="record", disable=shown) as bar:
        for rows in equal_length_rows(tokens):
            ids = torch.from_numpy(np.stack([tokens[row] for row in rows]))
            out[rows] = model(ids, torch.ones_like(ids)).permute(1, 0, 2).numpy()
            bar.update(len(rows))
    if not np.isfinite(out).all():
        raise InputError("the model's logits hold NaN or infinite values; its weights are damaged")
    return out


def sentence_hash(sentence: str) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the sentence's UTF-8 bytes."""
    return hashlib.sha256(sentence.encode("utf-8")).hexdigest()[:HASH_DIGITS]


def record(
    model: MultiExitClassifier, tokenizer: Tokenizer, text: LabelledText, *,
    name: str, max_tokens: int, model_name: str = "",
) -> Workload:  # fmt: skip
    """The workload of labelled text: lengths, entropies and logits of every ramp, labels.

    Token ids stand in order; a saved workload holds them sorted. Raises InputError for a sentence
    longer than `max_tokens` and for a label that the model does not have.
    """
    text.check_labels(model.num_labels, name)
    tokens = tokenize(tokenizer, text, max_tokens)
    logits = unpadded_logits(model, tokens)
    return Workload(
        name=name,
        num_tokens=np.array([len(ids) for ids in tokens], dtype=np.int64),
        entropies=entropy_nats(logits),
        logits=logits,
        labels=text.labels,
        token_ids=tuple(tokens),
        in_order=True,
        sentence_hashes=tuple(sentence_hash(sentence) for sentence in text.sentences),
        model=model_name,
    )
