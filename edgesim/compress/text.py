"""GLUE-style TSV sentences, tokens, and batches of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgesim.errors import InputError
from edgesim.files import read_lines
from edgesim.units import whole_number

if TYPE_CHECKING:
    from torch import Tensor

MOST_SHOWN = 60
"""Characters of a wrong label that a message repeats."""
EXPECTED = "expected a TSV with the header sentence<TAB>label"
RAW_COLUMNS = ("source", "label", "mark", "sentence")
"""Columns of CoLA as published (Warstadt et al., 2019), which has no header."""
MARKS = frozenset("*?")
"""What the authors of a source put before a sentence that is not acceptable, or may not be."""


@dataclass(frozen=True)
class LabelledText:
    """Sentences with integer labels; `labels` is None where the file has no label column."""

    sentences: tuple[str, ...]
    labels: NDArray[np.int64] | None
    places: tuple[str, ...] = ()
    """`file:line` of every sentence; empty for text that comes from no file."""

    def __len__(self) -> int:
        return len(self.sentences)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> LabelledText:
        """The sentences and labels of the given rows, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        labels = None if self.labels is None else self.labels[chosen]
        places = tuple(self.places[int(i)] for i in chosen) if self.places else ()
        return LabelledText(tuple(self.sentences[int(i)] for i in chosen), labels, places)

    def named(self, row: int) -> str:
        """A sentence as messages name it: where it stands, else its number from 1."""
        return f"{self.places[row]}: the sentence" if self.places else f"sentence {row + 1}"

    def check_labels(self, num_labels: int, name: str) -> None:
        """InputError for a label that a model of so many does not have."""
        if self.labels is not None and int(self.labels.max()) >= num_labels:
            row = int(self.labels.argmax())
            where = self.named(row) if self.places else f"{name}: {self.named(row)}"
            raise InputError(
                f"{where} has label {int(self.labels[row])}, the model knows 0 to {num_labels - 1}"
            )


def read_tsv(path: Path) -> LabelledText:
    """Read the sentences and labels of a TSV file.

    Its header names a column `sentence` and, optionally, a column `label`. A file whose first line
    is a row of CoLA as published is read as that: four columns without a header, RAW_COLUMNS.
    Columns end with a tab, lines with LF or CRLF, and nothing else ends either: quotes are text.
    Empty lines hold no sentence and are passed over; spaces around a label too.
    Raises InputError for a missing or empty file, a missing column, an empty sentence, a label
    that is not a non-negative integer or a mark that is none, naming file and line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; {EXPECTED}")
    rows = [(number, line.split("\t")) for number, line in read_lines(path, EXPECTED)]
    number, first = rows[0] if rows else (1, [""])
    raw = _is_raw(first)
    columns = RAW_COLUMNS if raw else tuple(first)
    if "sentence" not in columns:
        ends = "lines end with LF or CRLF, not CR; " if "\r" in "".join(first) else ""
        raise InputError(
            f"{path}:{number}: {ends}the header must name a column 'sentence' (and 'label'); "
            f"without a header only CoLA's four columns are read ({', '.join(RAW_COLUMNS)})"
        )
    return _labelled_rows(path, columns, rows if raw else rows[1:], raw)


def _is_raw(row: Sequence[str]) -> bool:
    """Whether a line is a row of CoLA as published: source, 0 or 1, the author's mark, sentence."""
    return len(row) == len(RAW_COLUMNS) and row[1] in ("0", "1") and not set(row[2].strip()) - MARKS


def _labelled_rows(
    path: Path, columns: Sequence[str], rows: Iterable[tuple[int, list[str]]], raw: bool
) -> LabelledText:
    column = columns.index("sentence")
    label_column = columns.index("label") if "label" in columns else None
    sentences, labels, places = [], [], []
    for number, row in rows:
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
            label = whole_number(row[label_column].strip(" "))
            if label is None:
                shown = repr(row[label_column][:MOST_SHOWN])
                raise InputError(f"{path}:{number}: label {shown} is not 0, 1, …")
            labels.append(label)
        sentences.append(row[column].strip())
        places.append(f"{path}:{number}")
    if not sentences:
        raise InputError(f"{path}: no sentences below the header")
    return LabelledText(
        tuple(sentences), np.array(labels, dtype=np.int64) if label_column is not None else None,
        tuple(places),
    )  # fmt: skip


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
    tokenizer: Tokenizer, text: LabelledText | Sequence[str], max_tokens: int
) -> list[NDArray[np.int64]]:
    """Token ids with special tokens, one array per sentence.

    Raises InputError naming the first sentence that is longer than `max_tokens`.
    """
    if not isinstance(text, LabelledText):
        text = LabelledText(tuple(text), None)
    encodings = tokenizer.encode_batch(list(text.sentences))
    encoded = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
    for row, ids in enumerate(encoded):
        if len(ids) > max_tokens:
            raise InputError(
                f"{text.named(row)} has {len(ids)} tokens, the model allows {max_tokens}; "
                f"shorten it: {text.sentences[row][:60]!r}…"
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
