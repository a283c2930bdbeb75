"""The code version of stored results: a hash of every source file that a worker may import."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import edgesim

PACKAGES = (
    "ir", "hw", "tech", "numerics", "lowering", "mapping", "sim", "energy", "functional",
    "pipeline",
)  # fmt: skip
MODULES = ("*.py", "sweeps/__init__.py", "sweeps/job.py")
SUFFIXES = (".py", ".yaml")


@lru_cache(maxsize=1)
def code_version() -> str:
    """The first 16 hexadecimal digits of the SHA-256 over names and contents of the sources."""
    return source_hash(Path(edgesim.__file__).parent)


def source_hash(root: Path) -> str:
    """The hash of the sources below a package folder that a stored figure may depend on."""
    digest = hashlib.sha256()
    for path in sources(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def sources(root: Path) -> list[Path]:
    """The hashed files: PACKAGES with their tables, and MODULES, patterns of single files."""
    files = {path for pattern in MODULES for path in root.glob(pattern)}
    for package in PACKAGES:
        files.update(path for path in (root / package).rglob("*") if path.suffix in SUFFIXES)
    return sorted(files)
