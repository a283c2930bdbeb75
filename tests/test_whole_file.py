"""Output files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.errors import InputError
from edgesim.whole_file import whole_file, write_whole


def _fill(path: Path, error: BaseException) -> None:
    with whole_file(path) as partial:
        partial.write_text("new")
        raise error


def test_a_file_takes_its_name_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with whole_file(path) as partial:
        partial.write_text("1")
        assert partial.suffix == ".csv"
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(error):
        _fill(path, error())
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(InputError, match=r"a\.csv: cannot be written \(No space"):
        _fill(path, OSError(28, "No space left on device"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_or_in_the_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"), whole_file(tmp_path / "b" / "a"):
        pass
    with pytest.raises(InputError, match="is a folder"), whole_file(tmp_path):
        pass


def test_content_is_written_whole_and_a_refusal_names_the_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.bin", b"ab")
    assert (tmp_path / "a.bin").read_bytes() == b"ab"
    with pytest.raises(InputError, match=r"no/a\.bin: the folder .* does not exist"):
        write_whole(tmp_path / "no" / "a.bin", b"ab")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
