"""GLUE-style TSV sentences, tokens, and batches of equal length."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgesim.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

RAW_COLUMNS = ("source", "label", "mark", "sentence")
"""Columns of CoLA as published (Warstadt et al., 2019), which has no header."""
MARKS = frozenset("*?")
"""What the authors of a source put before a sentence that is not acceptable, or may not be."""


@dataclass(frozen=True)
class LabelledText:
    """Sentences with integer labels; `labels` is None where the file has no label column."""

    sentences: tuple[str, ...]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.sentences)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> LabelledText:
        """The sentences and labels of the given rows, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        labels = None if self.labels is None else self.labels[chosen]
        return LabelledText(tuple(self.sentences[int(i)] for i in chosen), labels)

    def check_labels(self, num_labels: int, name: str) -> None:
        """InputError for a label that a model of so many does not have."""
        if self.labels is not None and int(self.labels.max()) >= num_labels:
            row = int(self.labels.argmax())
            raise InputError(
                f"{name}: sentence {row + 1} has label {int(self.labels[row])}, the model knows 0 "
                f"to {num_labels - 1}"
            )


def read_tsv(path: Path) -> LabelledText:
    """Read the sentences and labels of a TSV file.

    Its header names a column `sentence` and, optionally, a column `label`. A file whose first line
    is a row of CoLA as published is read as that: four columns without a header, RAW_COLUMNS.
    Raises InputError for a missing or empty file, a missing column, an empty sentence, a label
    that is not a non-negative integer or a mark that is none, naming file and line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a TSV with the header sentence<TAB>label")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    rows = list(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    raw = bool(rows) and _is_raw(rows[0])
    columns = RAW_COLUMNS if raw else tuple(rows[0]) if rows else ()
    if "sentence" not in columns:
        raise InputError(
            f"{path}:1: the header must name a column 'sentence' (and 'label'); without a header "
            f"only CoLA's four columns are read ({', '.join(RAW_COLUMNS)})"
        )
    start = 1 if raw else 2
    return _labelled_rows(path, columns, enumerate(rows[start - 1 :], start), raw)


def _is_raw(row: Sequence[str]) -> bool:
    """Whether a line is a row of CoLA as published: source, 0 or 1, the author's mark, sentence."""
    return len(row) == len(RAW_COLUMNS) and row[1] in ("0", "1") and not set(row[2].strip()) - MARKS


def _labelled_rows(
    path: Path, columns: Sequence[str], rows: Iterable[tuple[int, list[str]]], raw: bool
) -> LabelledText:
    column = columns.index("sentence")
    label_column = columns.index("label") if "label" in columns else None
    sentences, labels = [], []
    for number, row in rows:
        if not row:
            continue
        if len(row) != len(columns):
            whole = "a row of CoLA" if raw else "the header"
            raise InputError(f"{path}:{number}: {len(row)} columns, {whole} has {len(columns)}")
        if not row[column].strip():
            raise InputError(f"{path}:{number}: the sentence is empty")
        if raw and not _is_raw(row):
            raise InputError(
                f"{path}:{number}: label {row[1]!r} and mark {row[2]!r}; in CoLA's columns "
                f"({', '.join(columns)}) the label is 0 or 1 and a mark consists of * and ?"
            )
        if label_column is not None:
            if not row[label_column].strip().isdigit():
                raise InputError(f"{path}:{number}: label {row[label_column]!r} is not 0, 1, …")
            labels.append(int(row[label_column]))
        sentences.append(row[column].strip())
    if not sentences:
        raise InputError(f"{path}: no sentences below the header")
    return LabelledText(
        tuple(sentences), np.array(labels, dtype=np.int64) if label_column is not None else None
    )


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, with truncation and padding switched off."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; a model folder needs its tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a tokenizer.json ({reason}); restore the file") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenize(
    tokenizer: Tokenizer, sentences: Sequence[str], max_tokens: int
) -> list[NDArray[np.int64]]:
    """Token ids with special tokens, one array per sentence.

    Raises InputError naming the first sentence that is longer than `max_tokens`.
    """
    encoded = [np.array(e.ids, dtype=np.int64) for e in tokenizer.encode_batch(list(sentences))]
    for number, ids in enumerate(encoded, start=1):
        if len(ids) > max_tokens:
            raise InputError(
                f"sentence {number} has {len(ids)} tokens, the model allows {max_tokens}; "
                f"shorten it: {sentences[number - 1][:60]!r}…"
            )
    return encoded


@dataclass(frozen=True)
class TokenBatch:
    """Sentences of similar length padded to the longest: (batch, S) arrays and their rows."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    rows: NDArray[np.int64]

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask as the model takes them."""
        import torch

        return torch.from_numpy(self.input_ids), torch.from_numpy(self.attention_mask)


def length_batches(
    tokens: Sequence[NDArray[np.int64]], batch_size: int, rng: np.random.Generator | None
) -> Iterator[TokenBatch]:
    """Batches of similar length, so that little is spent on padding.

    With a generator, rows of equal length and the batches are shuffled; without one the order is
    by length.
    """
    lengths = np.array([len(t) for t in tokens])
    jitter = np.arange(len(tokens)) if rng is None else rng.permutation(len(tokens))
    order = np.lexsort((jitter, lengths))
    starts = np.arange(0, len(order), batch_size)
    if rng is not None:
        rng.shuffle(starts)
    for start in starts:
        rows = order[start : start + batch_size]
        longest = int(lengths[rows].max())
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : lengths[row]] = tokens[row]
            mask[i, : lengths[row]] = 1
        yield TokenBatch(ids, mask, rows)
