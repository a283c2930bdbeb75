"""What the wheel holds, and that it works from any folder with the checkout off the path."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT_BYTES = 60_000_000
LACKING = [name for name in ("hatchling", "build", "pip") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
    pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="tests outside a checkout"),
]


def python(*arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """Standard output of a Python process; its error output when it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**inherited, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built_wheel(source: Path, folder: Path) -> Path:
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder))
    python("-m", "pip", "wheel", *options, str(source))
    return next(folder.glob("edgesim-*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own, where no kernel can be cached beside its source."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--no-deps", "--no-compile", "--quiet", "--target", str(folder))
    python("-m", "pip", "install", *options, str(wheel))
    kernels = {path.parent for path in folder.rglob("*.py") if "njit" in path.read_text()}
    for package in kernels:
        (package / "__pycache__").write_text("a file, so that not even root can write here")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def contents(path: Path) -> dict[str, str]:
    """SHA-256 of every file of a wheel, without the wheel's own record of them."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("/RECORD")
        }


def tracked(*folders: str) -> set[str]:
    """Files of the shipped folders, without what Python and the system leave there."""
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".partial" and "__pycache__" not in path.parts
    }


def test_the_top_level_of_the_wheel_is_edgesim_alone(wheel: Path) -> None:
    top = {name.split("/")[0] for name in contents(wheel)}
    version = wheel.name.split("-")[1]
    assert top == {"edgesim", f"edgesim-{version}.dist-info"}


def test_every_source_chip_and_model_file_is_in_the_wheel(wheel: Path) -> None:
    held = {name for name in contents(wheel) if name.startswith("edgesim/")}
    sources = {name for name in tracked("edgesim") if name.endswith((".py", ".yaml", "py.typed"))}
    data = {f"edgesim/_data/{name}" for name in tracked("models", "hwconfigs")}
    data |= tracked("edgesim/validation/figures", "edgesim/validation/executed")
    assert sources | data == held


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= LIMIT_BYTES


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    python("-m", "build", "--no-isolation", "--sdist", "--outdir", str(tmp_path), str(ROOT))
    sdist = next(tmp_path.glob("edgesim-*.tar.gz"))
    assert contents(built_wheel(sdist, tmp_path)) == contents(wheel)


def test_the_wheel_runs_from_any_folder_and_keeps_compiled_code_with_the_user(
    installed: Path, tmp_path: Path
) -> None:
    away, cache = tmp_path / "away", tmp_path / "cache"
    away.mkdir()
    settings = {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(cache), "HOME": str(tmp_path)}
    where = python("-c", "import edgesim; print(edgesim.__file__)", cwd=away, **settings)
    assert Path(where.strip()).is_relative_to(installed)
    chips = python("-m", "edgesim.cli", "chip", "list", cwd=away, **settings)
    assert "edgebert-n16" in chips
    run = ("-m", "edgesim.cli", "run", "minilm-sst2-ee", "--exit-threshold", "0.24", "--json")
    record = json.loads(python(*run, cwd=away, **settings))
    assert record["num_sentences"] == 872
    if sys.platform == "linux":
        compiled = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
        assert compiled
        python(*run, cwd=away, **settings)
        again = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nbc")}
        assert again == compiled, "a second process compiles again"
    assert not list(installed.rglob("*.nbc"))
    assert not list(away.iterdir())


def test_the_demo_of_the_wheel_writes_its_report_into_the_folder_it_is_run_in(
    installed: Path, tmp_path: Path
) -> None:
    python("-m", "edgesim.cli", "demo", cwd=tmp_path, PYTHONPATH=str(installed))
    report = tmp_path / "demo-report"
    assert (report / "report.md").is_file()
    assert list(report.glob("*.png"))
