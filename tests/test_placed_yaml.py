"""YAML files with the line of every part, as chips and spaces read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.errors import ChipError, InputError
from edgesim.placed_yaml import plain_value, read_placed


def _file(folder: Path, text: str) -> Path:
    path = folder / "f.yaml"
    path.write_text(text)
    return path


def test_every_part_has_its_line(tmp_path: Path) -> None:
    values, places = read_placed(_file(tmp_path, "a:\n  b: 1\nc:\n  - x\n  - y\n"), "w", ChipError)
    assert values == {"a": {"b": 1}, "c": ["x", "y"]}
    lines = {at: place.rpartition(":")[2] for at, place in places.items()}
    assert lines == {("a",): "1", ("a", "b"): "2", ("c",): "3", ("c", 0): "4", ("c", 1): "5"}


def test_faults_of_form_come_at_once_and_each_once(tmp_path: Path) -> None:
    path = _file(tmp_path, "a: {x: 1, x: 2}\nb: !!python/object:os.system x\n? [1]\n: 2\n")
    with pytest.raises(ChipError) as caught:
        read_placed(path, "w", ChipError)
    lines = str(caught.value).splitlines()
    assert [line.removeprefix(str(path)).split(" ")[0] for line in lines] == [":1:", ":2:", ":3:"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a, *a]\n", "12 levels"),
        ("a: &a {b: 1}\nb: &b [" + "*a, " * 400 + "]\nc: [" + "*b, " * 400 + "]\n", "more than"),
        ("", "what it is"),
        ("- 1\n", "what it is"),
        ("a: [", "not valid YAML"),
    ],
)
def test_what_is_no_plain_mapping_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_placed(_file(tmp_path, text), "what it is", InputError)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_merged_mappings_give_way_to_what_is_written(tmp_path: Path) -> None:
    text = "x: &x {p: 1, q: 2}\ny: &y {q: 3, r: 4}\na: {<<: [*x, *y], p: 5}\nb:\n  <<: *x\n"
    values, places = read_placed(_file(tmp_path, text), "w", ChipError)
    assert values["a"] == {"p": 5, "q": 2, "r": 4}
    assert values["b"] == values["x"]
    assert places["b", "q"].endswith(":5")
    with pytest.raises(ChipError, match=r":1: a\.<< merges"):
        read_placed(_file(tmp_path, "a: {<<: 1}\n"), "w", ChipError)


def test_a_text_may_be_of_any_form() -> None:
    assert plain_value("[1, {a: 2}]", "--set x", InputError) == [1, {"a": 2}]
    assert plain_value("", "--set x", InputError) is None
    with pytest.raises(InputError, match="--set x: not valid YAML"):
        plain_value("[", "--set x", InputError)


def test_a_folder_says_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*what it is"):
        read_placed(tmp_path, "what it is", InputError)


@pytest.mark.parametrize("character", ["\r", "\x85", "\u2028", "\u2029"])
def test_what_yaml_alone_takes_for_a_line_end_is_refused_by_line(
    tmp_path: Path, character: str
) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(f"a: 1\r\n# a comment{character}b: 2\n".encode())
    with pytest.raises(InputError, match=rf"f\.yaml:2: holds U\+{ord(character):04X}"):
        read_placed(path, "w", InputError)


def test_a_byte_order_mark_crlf_and_escaped_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b'\xef\xbb\xbfa: "x\\u2028y"\r\nb: 2\r\n')
    values, places = read_placed(path, "w", InputError)
    assert values == {"a": "x\u2028y", "b": 2}
    assert places["b",] == f"{path}:2"
