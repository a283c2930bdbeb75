"""Text of others in Markdown: its pictures, links and HTML stay text."""

from __future__ import annotations

import re

_LINK = re.compile(r"(?<=\])(?=[(\[:])")
"""Between the brackets of a picture, a link or the target of one."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def inert(markdown: str) -> str:
    r"""The same Markdown without pictures, links and HTML; headings, tables and emphasis stay.

    `![x](y)` becomes `![x]\(y)` and `<b>` becomes `&lt;b>`, which are shown as they were written.
    """
    return _TAG.sub("&lt;", _LINK.sub(r"\\", markdown))
