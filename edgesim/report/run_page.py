"""The HTML page of one or several results."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgesim.ir.result import SimResult
from edgesim.report.compare import compare
from edgesim.report.markdown import Picture, report_markdown
from edgesim.report.page import Linked, html_page

SENTENCES = "Sentences"


def run_page(results: Sequence[SimResult], title: str, reproduce: Sequence[str] = ()) -> str:
    """The whole report as one HTML page; the last of several results is the baseline.

    Every result's sentences are points under the mouse and rows of a sortable table.
    """
    from edgesim.plot import save_pictures
    from edgesim.plot.interactive import linked_sentences

    comparison = compare(results, baseline=len(results) - 1)
    with tempfile.TemporaryDirectory(prefix="edgesim-page-") as folder:
        pictures = [
            Picture(path.name, caption)
            for path, caption in save_pictures(Path(folder), results, comparison.labels)
        ]
        text = report_markdown(comparison, title, (), pictures, (), "the GPU", reproduce)
        head, mark, rest = text.partition("## Pictures")
        parts: list[str | Linked] = [head, f"## {SENTENCES}"]
        for label, result in zip(comparison.labels, results, strict=True):
            if len(results) > 1:
                parts.append(f"### {label}")
            parts.append(Linked(linked_sentences(result)))
        return html_page(title, [*parts, mark + rest], Path(folder))
