"""Pictures, links and HTML in the text of others stay text in every reader of Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from edgesim.markdown import inert

PIECES = ("[", "]", "(", ")", "!", "<", ">", "\\", ":", "\n", " ", "/", "`", "a", "b.png", "b", "|",
          "javascript:x", "https://x.y")  # fmt: skip
ACTIVE = re.compile(r"<(img|a|b|script)[ >]")


def rendered(markdown: str) -> str:
    """As a reader with HTML switched on shows it."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](/path/secret.png)", "![x](/path/secret.png)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x][y]\n\n[y]: https://x.y/p.png", "[x][y]</p>\n<p>[y]: https://x.y/p.png"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<https://x.y>", "&lt;https://x.y&gt;"),
        ("45 ms [40, 50], a < b, adaptivfloat<8,3>",
         "45 ms [40, 50], a &lt; b, adaptivfloat&lt;8,3&gt;"),
    ],
)  # fmt: skip
def test_what_would_act_is_shown_as_it_was_written(text: str, shown: str) -> None:
    assert rendered(inert(text)) == f"<p>{shown}</p>\n"


def test_text_that_does_nothing_is_left_alone() -> None:
    text = "# A *title*\n\n| a | 45 ms [40, 50] |\n| --- | --- |\n| `x` | a < b, c<8,3> |\n"
    assert inert(text) == text


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_text_makes_a_tag(text: str) -> None:
    assert not ACTIVE.search(rendered(inert(text)))
