"""The selection slice: train rows on which thresholds, epochs and seeds are chosen.

SST-2's train rows are phrases of each other, so a random slice leaks. The slice consists of rows
of at least eight words that are contained in no other row, and every row that is contained in one
of them leaves training. Dev chooses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgesim.errors import InputError


@dataclass(frozen=True)
class SelectionSplit:
    """Row numbers of the train file: the slice, and the rows that remain for training."""

    selection_rows: tuple[int, ...]
    training_rows: tuple[int, ...]


def _padded(sentence: str) -> str:
    return " " + " ".join(sentence.lower().split()) + " "


def _rows_by_rarest_word(texts: Sequence[str]) -> dict[str, list[int]]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        for word in set(text.split()):
            rows_of[word].append(row)
    return rows_of


def split_selection(
    sentences: Sequence[str], num_selection: int = 1000, min_words: int = 8, seed: int = 0
) -> SelectionSplit:
    """Choose `num_selection` maximal rows at random and drop from training what they contain.

    A row is contained in another when its words are a contiguous run of the other's (case
    ignored); equal rows contain each other. Raises InputError when too few rows qualify.
    """
    texts = [_padded(s) for s in sentences]
    rows_of = _rows_by_rarest_word(texts)

    def is_maximal(row: int) -> bool:
        rarest = min(set(texts[row].split()), key=lambda word: (len(rows_of[word]), word))
        return not any(other != row and texts[row] in texts[other] for other in rows_of[rarest])

    long_rows = [r for r, text in enumerate(texts) if len(text.split()) >= min_words]
    candidates = np.random.default_rng(seed).permutation(np.array(long_rows, dtype=np.int64))
    chosen: list[int] = []
    for row in candidates:
        if len(chosen) == num_selection:
            break
        if is_maximal(int(row)):
            chosen.append(int(row))
    if len(chosen) < num_selection:
        raise InputError(
            f"only {len(chosen)} rows of at least {min_words} words are contained in no other "
            f"row; the selection slice wants {num_selection}"
        )
    phrases = _contained_phrases([texts[r] for r in chosen])
    held = set(chosen)
    training = tuple(r for r, text in enumerate(texts) if r not in held and text not in phrases)
    return SelectionSplit(tuple(sorted(chosen)), training)


def _contained_phrases(texts: Sequence[str]) -> set[str]:
    """Every contiguous run of words of every text."""
    phrases = set()
    for text in texts:
        words = text.split()
        for start in range(len(words)):
            for stop in range(start + 1, len(words) + 1):
                phrases.add(" " + " ".join(words[start:stop]) + " ")
    return phrases
