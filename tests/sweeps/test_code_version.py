"""The code version that keys of stored points carry."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgesim
from edgesim.sweeps.code_version import code_version, source_hash, sources

ROOT = Path(edgesim.__file__).parent
WORKER = "edgesim.sweeps.job"


def _file(module: str) -> Path | None:
    """The source of a module or package of edgesim; None for a name inside a module."""
    place = ROOT.joinpath(*module.split(".")[1:])
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(node: ast.AST) -> Iterator[str]:
    """Modules that a source imports anywhere, in functions too, but for type checkers alone."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def _reached(start: str) -> set[Path]:
    """Sources of edgesim that importing and running a module may execute."""
    waiting, reached = [start], set()
    while waiting:
        module = waiting.pop()
        path = _file(module) if module.partition(".")[0] == "edgesim" else None
        if path is None or path in reached:
            continue
        reached.add(path)
        parts = module.split(".")
        waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
        waiting += _imports(ast.parse(path.read_text(encoding="utf-8")))
    return reached


def test_every_module_that_a_worker_may_import_is_hashed() -> None:
    reached = _reached(WORKER)
    assert {ROOT / "statistics.py", ROOT / "pipeline" / "evaluate.py"} <= reached
    missing = reached - set(sources(ROOT))
    assert not missing, f"not in the code version: {sorted(map(str, missing))}"


def test_no_module_that_only_shows_results_is_hashed() -> None:
    """A store outlives another colour of a picture."""
    rooms = {path.relative_to(ROOT).parts[0] for path in sources(ROOT)}
    assert not rooms & {"cli", "plot", "report", "validation", "compress"}


@pytest.mark.parametrize(
    "changed", ["statistics.py", "errors.py", "sweeps/job.py", "tech/tables/media.yaml"]
)
def test_a_change_of_a_hashed_file_is_another_code_version(changed: str, tmp_path: Path) -> None:
    copy = tmp_path / "edgesim"
    for path in sources(ROOT):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert source_hash(copy) == code_version()
    with (copy / changed).open("a") as file:
        file.write("# changed\n")
    assert source_hash(copy) != code_version()
