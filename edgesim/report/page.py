"""One HTML file that holds all it needs: texts, tables, pictures and linked plots, no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from edgesim.errors import InputError

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2em auto;
       padding: 0 1.5em; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2em; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto; }
th, td { border: 1px solid #ddd; padding: .25em .6em; text-align: left; font-size: 13px; }
th { background: #f4f4f4; cursor: pointer; } img { max-width: 100%; } code { font-size: 12px; }
"""
_SORT = """
for (const table of document.querySelectorAll("table"))
  table.querySelectorAll("th").forEach((head, at) => head.addEventListener("click", () => {
    const body = table.tBodies[0], up = head.dataset.up !== "1"; head.dataset.up = up ? "1" : "";
    const key = row => row.cells[at].textContent;
    const by = (a, b) => key(a).localeCompare(key(b), "en", {numeric: true});
    [...body.rows].sort((a, b) => up ? by(a, b) : by(b, a)).forEach(row => body.append(row));
  }));
"""
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"  # noqa: E501
_TEXT_RULES = ("image", "link", "autolink", "reference", "html_block", "html_inline")
"""Rules of Markdown that stay off: what they would make of names and notes is shown as text."""


@dataclass(frozen=True)
class Linked:
    """A Bokeh layout in the page."""

    layout: Any


@dataclass(frozen=True)
class Drawn:
    """A PNG file that this report drew, and its caption."""

    path: Path
    caption: str


def html_page(title: str, parts: Sequence[str | Linked | Drawn]) -> str:
    """The page of parts in order: Markdown, linked plots, and pictures that this report drew.

    Markdown makes no pictures and no links: a name or a note must not bring a file of this
    machine into a page that is sent to others. The page's content policy forbids every request.
    Raises InputError without Bokeh and markdown-it-py.
    """
    try:
        from bokeh.embed import components
        from bokeh.resources import Resources
        from markdown_it import MarkdownIt
    except ImportError:
        raise InputError(
            "an HTML report needs Bokeh and markdown-it-py; pip install 'edgesim[report]'"
        ) from None
    render = MarkdownIt("commonmark").enable("table").disable(_TEXT_RULES).render
    plots = [part.layout for part in parts if isinstance(part, Linked)]
    script, places = components(tuple(plots)) if plots else ("", ())
    left = iter(places)
    body = "\n".join(
        next(left)
        if isinstance(part, Linked)
        else _figure(part)
        if isinstance(part, Drawn)
        else render(part)
        for part in parts
    )
    names = ["bokeh", "bokeh-widgets", "bokeh-tables"] if plots else []
    scripts = Resources(mode="inline", components=names).render_js() if plots else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{scripts}\n</head>\n"
        f"<body>\n{body}\n{script}\n<script>{_SORT}</script>\n</body>\n</html>\n"
    )


def _figure(drawn: Drawn) -> str:
    """The picture as data, and its caption."""
    data, words = base64.b64encode(drawn.path.read_bytes()).decode(), escape(drawn.caption)
    return f'<p><img src="data:image/png;base64,{data}" alt="{words}"></p>\n<p><em>{words}</em></p>'
