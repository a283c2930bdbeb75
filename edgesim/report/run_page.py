"""The HTML page of one or several results."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgesim.ir.result import SimResult
from edgesim.markdown import inert
from edgesim.report.compare import compare
from edgesim.report.markdown import PICTURES, blocks_before, blocks_behind
from edgesim.report.page import Drawn, Linked, html_page

SENTENCES = "## Sentences"


def run_page(results: Sequence[SimResult], title: str, reproduce: Sequence[str] = ()) -> str:
    """The whole report as one HTML page; the last of several results is the baseline.

    Every result's sentences are points under the mouse and rows of a sortable table.
    """
    from edgesim.plot import save_pictures
    from edgesim.plot.interactive import linked_sentences

    comparison = compare(results, baseline=len(results) - 1)
    parts: list[str | Linked | Drawn] = [*blocks_before(comparison, title, (), (), "the GPU")]
    parts.append(SENTENCES)
    for label, result in zip(comparison.labels, results, strict=True):
        if len(results) > 1:
            parts.append(inert(f"### {label}"))
        parts.append(Linked(linked_sentences(result)))
    with tempfile.TemporaryDirectory(prefix="edgesim-page-") as folder:
        drawn = save_pictures(Path(folder), results, comparison.labels)
        parts += [PICTURES, *(Drawn(path, caption) for path, caption in drawn)]
        return html_page(title, [*parts, *blocks_behind(comparison, reproduce)])
