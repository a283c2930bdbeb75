"""Reading TSV files, tokenising, batching by length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.compress.smoke import tiny_tokenizer
from edgesim.compress.text import LabelledText, length_batches, load_tokenizer, read_tsv, tokenize
from edgesim.errors import InputError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_glue_file_is_read_with_quotes_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "sentence\tlabel\nhe said \" no \t0\n'tis fine\t1\n\n")
    text = read_tsv(path)
    assert text.sentences == ('he said " no', "'tis fine")
    assert text.labels is not None
    assert text.labels.tolist() == [0, 1]


def test_columns_may_stand_in_another_order_and_labels_may_be_missing(tmp_path: Path) -> None:
    text = read_tsv(write(tmp_path / "t.tsv", "id\tsentence\n7\tgood film\n"))
    assert text.sentences == ("good film",)
    assert text.labels is None


def test_cola_as_published_is_read_without_a_header(tmp_path: Path) -> None:
    content = "gj04\t1\t\tThey drank.\ngj04\t0\t?*\tThey drank the pub.\ncj99\t1\t \tWho left?"
    text = read_tsv(write(tmp_path / "t.tsv", content))
    assert text.sentences == ("They drank.", "They drank the pub.", "Who left?")
    assert text.labels is not None
    assert text.labels.tolist() == [1, 0, 1]


def test_a_first_line_that_is_no_row_of_cola_is_taken_for_a_header(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.tsv:1: the header must name a column 'sentence'"):
        read_tsv(write(tmp_path / "t.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("inner", ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_a_sentence_goes_on_behind_what_python_takes_for_a_line_end(
    tmp_path: Path, inner: str, end: str
) -> None:
    lines = ["sentence\tlabel", f"a fine{inner}film\t1", "", "bad one\t0", ""]
    text = read_tsv(write(tmp_path / "t.tsv", end.join(lines)))
    assert text.sentences == (f"a fine{inner}film", "bad one")
    assert text.labels is not None
    assert text.labels.tolist() == [1, 0]
    assert text.places == (f"{tmp_path}/t.tsv:2", f"{tmp_path}/t.tsv:4")


def test_a_byte_order_mark_and_spaces_around_a_label_are_no_part_of_the_text(
    tmp_path: Path,
) -> None:
    text = read_tsv(write(tmp_path / "t.tsv", "\ufeffsentence\tlabel\r\ngood film\t 1 \r\n"))
    assert text.sentences == ("good film",)
    assert text.labels is not None
    assert text.labels.tolist() == [1]


def test_a_sentence_may_be_longer_than_a_field_of_the_csv_module(tmp_path: Path) -> None:
    long = "film " * 40_000
    text = read_tsv(write(tmp_path / "t.tsv", f"sentence\n{long}\n"))
    assert text.sentences == (long.strip(),)
    with pytest.raises(InputError, match=r"t\.tsv:2: the sentence has 40002 tokens, the model"):
        tokenize(tiny_tokenizer(), text, 128)


def test_a_label_that_the_model_lacks_is_named_by_line(tmp_path: Path) -> None:
    text = read_tsv(write(tmp_path / "t.tsv", "sentence\tlabel\n\na\t1\nb\t2\n"))
    with pytest.raises(InputError, match=r"t\.tsv:4: the sentence has label 2, .* 0 to 1"):
        text.check_labels(2, "t")
    with pytest.raises(InputError, match=r"t\.tsv:4: "):
        text.take([1]).check_labels(2, "t")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gj04\t1\tHe left.", r":2: 3 columns, a row of CoLA has 4"),
        ("gj04\tyes\t\tHe left.", r":2: label 'yes' and mark ''"),
        ("gj04\t2\t\tHe left.", r":2: label '2' and mark ''"),
        ("gj04\t0\tbad\tHe left.", r":2: label '0' and mark 'bad'"),
        ("gj04\t1\t\t ", r":2: the sentence is empty"),
    ],
)
def test_a_malformed_row_of_cola_is_refused_by_line(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_tsv(write(tmp_path / "t.tsv", f"gj04\t1\t\tThey drank.\n{line}\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "header must name a column 'sentence'"),
        ("text\tlabel\na\t1\n", "header must name a column 'sentence'"),
        ("sentence\tlabel\n", "no sentences below the header"),
        ("sentence\tlabel\ngood\t1\n \t0\n", r"t\.tsv:3: the sentence is empty"),
        ("sentence\tlabel\ngood\n", r"t\.tsv:2: 1 columns, the header has 2"),
        ("sentence\tlabel\ngood\tyes\n", r"t\.tsv:2: label 'yes'"),
        ("sentence\tlabel\ngood\t-1\n", r"t\.tsv:2: label '-1'"),
        *(
            (f"sentence\tlabel\n\ngood\t{label}\n", r"t\.tsv:3: label .* is not 0, 1, …")
            for label in (
                "²",
                "٣",
                "１",
                "1.0",
                "+1",
                "1_0",
                "1\u2003",
                "10" * 20,
                "9" * 5000,
            )
        ),
        ("sentence\rgood film\r", r"t\.tsv:1: lines end with LF or CRLF, not CR; the header"),
        ("sentence\ngood\ng\0d\n", r"t\.tsv:3: holds a NUL character"),
        (b"sentence\n\xff\xfe\n", r"t\.tsv:2: not UTF-8"),
    ],
)
def test_a_malformed_file_is_refused_by_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_tsv(write(tmp_path / "t.tsv", content))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_missing_file_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; expected a TSV"):
        read_tsv(tmp_path / "none.tsv")


def test_rows_are_taken_in_the_given_order() -> None:
    text = LabelledText(("a", "b", "c"), np.array([0, 1, 2]))
    taken = text.take([2, 0])
    assert taken.sentences == ("c", "a")
    assert taken.labels is not None
    assert taken.labels.tolist() == [2, 0]


def test_a_sentence_of_the_longest_length_passes_and_one_token_more_does_not() -> None:
    tokenizer = tiny_tokenizer()
    assert len(tokenize(tokenizer, ["the film is dull"], 6)[0]) == 6
    with pytest.raises(InputError, match=r"sentence 2 has 7 tokens, the model allows 6"):
        tokenize(tokenizer, ["the film is dull", "the film is very dull"], 6)


def test_a_stored_tokenizer_neither_pads_nor_cuts(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert [len(ids) for ids in tokenize(loaded, ["film", "the film is very dull"], 9)] == [3, 7]


@pytest.mark.parametrize("content", [None, "{", '{"model": 3}'])
def test_a_missing_or_damaged_tokenizer_is_one_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        load_tokenizer(path)


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=40),
    st.integers(1, 7),
    st.one_of(st.none(), st.integers(0, 9)),
)
def test_batches_hold_every_row_once_and_pad_only_behind_its_tokens(
    lengths: list[int], batch_size: int, seed: int | None
) -> None:
    tokens = [np.arange(1, length + 1) + 100 * row for row, length in enumerate(lengths)]
    rng = None if seed is None else np.random.default_rng(seed)
    seen = []
    for batch in length_batches(tokens, batch_size, rng):
        assert len(batch.rows) <= batch_size
        for ids, mask, row in zip(batch.input_ids, batch.attention_mask, batch.rows, strict=True):
            assert np.array_equal(ids[: len(tokens[row])], tokens[row])
            assert mask.sum() == len(tokens[row])
            assert not ids[mask == 0].any()
            seen.append(int(row))
    assert sorted(seen) == list(range(len(lengths)))
