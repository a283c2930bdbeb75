"""Names that become part of a path can lead nowhere else, on any system."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.errors import InputError
from edgesim.files import MOST_NAME_BYTES, check_name, named_inside


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
