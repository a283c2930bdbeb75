"""The notebooks run, in their fast mode, and what is committed is whole, small and portable."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from edgesim.sweeps.study import FAST_VARIABLE

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 2**20


def _text(notebook: Any) -> str:
    """All that the notebook printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_the_four_questions_and_both_comparisons_have_their_notebooks() -> None:
    names = {path.stem for path in PATHS}
    assert {"01_report", "02_vmac_sweep", "03_memory_media", "04_pareto"} <= names
    assert {"validate_edgebert", "validate_silicon"} <= names


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_runs_on_few_points(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAST_VARIABLE, "fast")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parent), *_python_path()]))
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=where).execute()
    assert re.search(r"\d+ (points|runs) ", _text(notebook))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_is_committed_is_executed_small_and_of_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size <= MOST_BYTES
    assert not re.search(r"/(home|root|Users|work|tmp)/", text)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert "error" not in kinds
    assert re.search(r"\d+ (points|runs) ", _text(notebook)), "the number of points is printed"
    prose = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for part in ("**Question.**", "**Method.**", "## Decision", "| conclusion | assumption"):
        assert part in prose


def _python_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
