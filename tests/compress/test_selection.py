"""The selection slice: maximal rows, and nothing of them left in training."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.compress.selection import split_selection
from edgesim.compress.text import read_tsv
from edgesim.errors import InputError
from edgesim.paths import zoo_path

words = st.sampled_from(["a", "b", "c", "d", "e"])
sentences = st.lists(st.lists(words, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=25)


def contains(outer: str, inner: str) -> bool:
    """Whether the words of `inner` are a contiguous run of the words of `outer`, by brute force."""
    a, b = outer.lower().split(), inner.lower().split()
    return any(a[i : i + len(b)] == b for i in range(len(a) - len(b) + 1))


@given(sentences, st.integers(0, 5))
def test_the_slice_is_maximal_and_leaves_no_trace_in_training(texts: list[str], seed: int) -> None:
    maximal = [
        row
        for row, text in enumerate(texts)
        if len(text.split()) >= 3
        and not any(other != row and contains(texts[other], text) for other in range(len(texts)))
    ]
    if not maximal:
        with pytest.raises(InputError, match="only 0 rows"):
            split_selection(texts, 1, min_words=3, seed=seed)
        return
    split = split_selection(texts, len(maximal), min_words=3, seed=seed)
    assert list(split.selection_rows) == maximal
    expected = [
        row
        for row, text in enumerate(texts)
        if not any(contains(texts[chosen], text) for chosen in maximal)
    ]
    assert list(split.training_rows) == expected


def test_case_and_spacing_do_not_hide_a_phrase() -> None:
    texts = ["one two three four five six seven eight", "Three  FOUR", "four three", "hree four"]
    split = split_selection(texts, 1)
    assert split.selection_rows == (0,)
    assert split.training_rows == (2, 3)


def test_equal_rows_are_no_maximal_rows() -> None:
    text = "one two three four five six seven eight"
    with pytest.raises(InputError, match=re.escape("only 0 rows of at least 8 words")):
        split_selection([text, text], 1)


def test_the_seed_decides_which_maximal_rows_are_taken() -> None:
    texts = [f"word{i} two three four five six seven eight" for i in range(40)]
    first, again, other = (split_selection(texts, 10, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_committed_rows_are_those_of_the_recipe() -> None:
    """Needs the text of SST-2, which is not part of the repository."""
    train = Path(__file__).parents[3] / "shared" / "data" / "sst2" / "train.tsv"
    if not train.is_file():
        pytest.skip("the text of SST-2 is not part of the repository")
    split = split_selection(read_tsv(train).sentences, 1000, seed=0)
    committed = (zoo_path("minilm-sst2-ee") / "selection_rows.txt").read_text().split()
    assert [str(row) for row in split.selection_rows] == committed
    assert not set(split.selection_rows) & set(split.training_rows)
