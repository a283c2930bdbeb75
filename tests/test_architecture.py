"""The arrows between packages, and what `import edgesim` may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import edgesim

ROOT = Path(edgesim.__file__).parent
LEAVES = {"ir", "hw", "tech", "numerics"}
STAGES = {"compress", "lowering", "mapping", "sim", "functional", "energy"}
TOP = {
    "errors", "units", "files", "markdown", "paths", "placed_yaml", "whole_file",
}  # fmt: skip
ALLOWED = {
    "errors": set(),
    "units": {"errors"},
    "files": {"errors"},
    "markdown": set(),
    "paths": {"errors"},
    "placed_yaml": {"files", "errors"},
    "whole_file": {"errors"},
    "ir": TOP,
    "hw": TOP | {"ir", "tech"},
    "tech": TOP | {"ir"},
    "numerics": TOP,
    **dict.fromkeys(STAGES, TOP | LEAVES),
    "plot": TOP | LEAVES,
    "report": TOP | LEAVES | {"plot"},
    "pipeline": TOP | LEAVES | STAGES | {"report", "plot"},
    "sweeps": TOP | LEAVES | {"pipeline", "report", "plot"},
    "validation": TOP | LEAVES | STAGES | {"pipeline", "report", "plot"},
    "cli": TOP | LEAVES | {"sweeps", "pipeline", "validation", "report", "plot"},
    "__init__": TOP | LEAVES | STAGES | {"sweeps", "pipeline", "validation", "report", "plot"},
}


def _room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "edgesim":
                names = [f"edgesim.{alias.name}" for alias in node.names]
        found.update(names)
    return found


def test_every_import_follows_the_arrows_of_the_design() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        if "_data" in path.parts:
            continue
        room = _room(path)
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "edgesim" and len(parts) > 1 and parts[1] not in {room, "__version__"}:
                target = parts[1]
                if target not in ALLOWED[room]:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_only_compress_and_lowering_name_torch() -> None:
    users = {
        _room(path)
        for path in ROOT.rglob("*.py")
        if any(name.split(".")[0] in {"torch", "transformers"} for name in _imports(path))
    }
    assert users == {"compress", "lowering"}


def test_importing_edgesim_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, edgesim; edgesim.load_chip('edgebert-n16'); "
        "print(sorted({'torch', 'matplotlib', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_simulating_a_saved_trace_loads_no_torch() -> None:
    code = (
        "import sys, edgesim as es; folder = es.find_model('minilm-sst2-ee'); "
        "result = es.simulate(folder.trace(), es.load_chip('edgebert-n16'), pad_to=16); "
        "print('torch' in sys.modules, result.num_sentences)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1"]


def test_a_command_on_a_saved_trace_loads_none_of_scipys_algebra_and_leaves_it_importable() -> None:
    code = (
        "import sys; from edgesim.cli import main; from edgesim.paths import zoo_path; "
        "trace = zoo_path('minilm-sst2-ee') / 'trace.npz'; "
        "code = main(['run', str(trace), '--pad-to', '16']); "
        "print(code, 'scipy.linalg' in sys.modules); import scipy.linalg"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


def test_every_public_name_resolves() -> None:
    for name in edgesim.__all__:
        assert getattr(edgesim, name) is not None
