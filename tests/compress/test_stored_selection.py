"""Row numbers of the selection slice are taken as they stand, or refused by line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgesim.compress.stored_selection import SELECTION_ROWS, stored_selection
from edgesim.errors import InputError
from edgesim.paths import zoo_path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A model's folder with a recipe, and a data folder of three rows."""
    shutil.copy(zoo_path("minilm-sst2-ee") / "recipe.yaml", tmp_path)
    (tmp_path / "sst2").mkdir()
    (tmp_path / "sst2" / "train.tsv").write_text("sentence\tlabel\na\t0\nb\t1\nc\t0\n")
    return tmp_path, tmp_path


def test_the_rows_are_those_of_the_file(folders: tuple[Path, Path]) -> None:
    (folders[0] / SELECTION_ROWS).write_bytes(b"\xef\xbb\xbf2\r\n\r\n0\r\n")
    text, task = stored_selection(*folders)
    assert (text.sentences, task) == (("c", "a"), "sst2")


@pytest.mark.parametrize(
    ("content", "words"),
    [("0\n-1\n", ":2: '-1'"), ("0\n\n²\n", ":3: '²'"), ("٣\n", ":1: '٣'"), ("0 1\n", ":1: '0 1'"),
     ("0\u20281\n", ":1: "), ("9" * 30, ":1: "), ("0\n3\n", ": row 3 of 3 rows")],
)  # fmt: skip
def test_what_is_no_row_is_refused_by_line(
    folders: tuple[Path, Path], content: str, words: str
) -> None:
    (folders[0] / SELECTION_ROWS).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"selection_rows\.txt{words}"):
        stored_selection(*folders)
