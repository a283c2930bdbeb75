"""The arrows between packages, and what `import edgesim` may load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import edgesim

ROOT = Path(edgesim.__file__).parent
LEAVES = {"ir", "hw", "tech", "numerics"}
STAGES = {"compress", "lowering", "mapping", "sim", "functional", "energy"}
TOP = {
    "errors", "units", "files", "markdown", "paths", "placed_yaml", "statistics", "whole_file",
}  # fmt: skip
ALLOWED = {
    "errors": set(),
    "units": {"errors"},
    "statistics": {"errors", "units"},
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


def test_only_statistics_computes_intervals_and_percentiles() -> None:
    """Normal quantiles and percentiles; a median of repeated timings is neither."""
    names = {"NormalDist", "percentile", "nanpercentile", "quantile", "nanquantile", "quantiles"}
    libraries = {"np", "numpy", "scipy", "statistics", "pd", "torch"}
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        if path == ROOT / "statistics.py" or "_data" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=float(value)) if abs(value - 1.96) < 1e-3:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {value}")
                case ast.ImportFrom(module=str(module)) if module.split(".")[0] in libraries:
                    taken = {alias.name for alias in node.names} & names
                    wrong += [f"{path.relative_to(ROOT)}:{node.lineno}: {n}" for n in taken]
                case ast.Attribute(attr=name, value=ast.Name(id=library)) if (
                    name in names and library in libraries
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {library}.{name}")
    assert not wrong, "take it from edgesim.statistics:\n" + "\n".join(wrong)


def test_every_function_and_class_has_a_user_in_the_package_or_the_notebooks() -> None:
    """What only tests call stands in tests/twins, or with the test."""
    trees = {p: ast.parse(p.read_text(encoding="utf-8")) for p in sorted(ROOT.rglob("*.py"))}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    for notebook in (ROOT.parent / "notebooks").glob("*.ipynb"):
        used |= set(re.findall(r"\w+", notebook.read_text(encoding="utf-8")))
    unused = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and node.name not in used
    }
    # the closed form of a segment, which serves as the twin of both engines
    assert unused == {"sim/analytic.py: segment_ticks"}


def test_one_module_reads_yaml() -> None:
    """Its bounds, its lines and its refusals hold for every kind of file; `chip show` writes."""
    users = {p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.py") if "yaml" in _imports(p)}
    assert users == {"placed_yaml.py", "cli/chips.py"}


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
