"""Names that become part of a path lead nowhere else; lines end with LF or CRLF alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.errors import InputError
from edgesim.files import MOST_NAME_BYTES, check_name, named_inside, read_lines


@pytest.mark.parametrize(
    "name",
    ["minilm-sst2-ee", "a", "model.safetensors", "v1.2", "Größe 2", "模型", "console", "-x",
     "a" * MOST_NAME_BYTES],
)  # fmt: skip
def test_a_plain_name_is_returned_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is empty"),
        ("../../x", "holds '/'"),
        ("/etc/x", "holds '/'"),
        ("a\\b", r"holds '\\\\'"),
        ("C:x", "holds ':'"),
        ("a*", r"holds '\*'"),
        ("..", "begins with a dot"),
        (".hidden", "begins with a dot"),
        ("a..b", r"holds '\.\.'"),
        ("a\nb", r"U\+000A"),
        ("a\0b", r"U\+0000"),
        ("a\x7fb", r"U\+007F"),
        ("a\x85b", r"U\+0085"),
        ("a\u2028b", r"U\+2028"),
        ("abc\u202etxt", r"U\+202E"),
        ("a\ud800b", r"U\+D800"),
        ("a ", "ends with a space"),
        ("\u2003a", "begins or ends with a space"),
        ("a.", "ends with a dot"),
        ("NUL", "a device on Windows"),
        ("con.txt", "a device on Windows"),
        ("LPT1", "a device on Windows"),
        ("é" * 65, "longer than 128 bytes"),
        ("a" * 5000, "longer than 128 bytes"),
    ],
)
def test_a_name_that_is_a_path_or_no_file_s_is_refused_in_one_line(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        check_name(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=40))
def test_whatever_passes_is_one_part_of_a_path_below_its_folder(name: str) -> None:
    try:
        check_name(name)
    except InputError:
        return
    path = Path("/folder") / f"{name}.checkpoint.safetensors"
    assert path.parent == Path("/folder")
    assert path.resolve() == path
    assert len(path.name.encode()) <= 255


def test_a_path_inside_a_folder_consists_of_names(tmp_path: Path) -> None:
    inside = named_inside(tmp_path, "ablation/dense.trace.npz")
    assert inside == tmp_path / "ablation" / "dense.trace.npz"
    for outside in ("../x", "/etc/x", "a/../../x", "a//b", "."):
        with pytest.raises(InputError, match="cannot name a file or folder"):
            named_inside(tmp_path, outside)


OTHER_ENDS = "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"


@pytest.mark.parametrize("character", OTHER_ENDS, ids=lambda one: f"U+{ord(one):04X}")
def test_a_line_ends_with_lf_or_crlf_and_with_nothing_else(tmp_path: Path, character: str) -> None:
    path = tmp_path / "t.txt"
    for end in ("\n", "\r\n"):
        path.write_bytes(f"a{character}b{end}{end}c{character}d".encode())
        assert read_lines(path, "") == [(1, f"a{character}b"), (3, f"c{character}d")]


def test_a_byte_order_mark_is_dropped_at_the_beginning_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffa\n\ufeffb\n".encode())
    assert read_lines(path, "") == [(1, "a"), (2, "\ufeffb")]
    path.write_bytes("\ufeff".encode())
    assert read_lines(path, "") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\nb\r\nc\0d\n", r"t\.txt:3: holds a NUL character"),
        ("a\nb\n".encode("utf-16-le"), r"t\.txt:1: holds a NUL character"),
        (b"a\nb\n\xe9t\xe9\n", r"t\.txt:3: not UTF-8 text \(invalid continuation byte at byte 4\)"),
        ("a\n".encode("utf-16"), r"t\.txt:1: not UTF-8 text"),
    ],
)
def test_what_is_no_text_is_refused_by_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_lines(path, "lines are wanted")


def test_a_missing_file_and_a_folder_are_one_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read \(.*\); lines are wanted"):
            read_lines(path, "lines are wanted")


@given(st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]))))
def test_lines_come_back_as_they_were_written(lines: list[str]) -> None:
    wanted = [line.removesuffix("\r") for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.txt"
        path.write_bytes("".join(f"{line}\n" for line in ["first", *lines]).encode())
        read = dict(read_lines(path, ""))
    assert [read.get(number, "") for number in range(2, len(lines) + 2)] == wanted
