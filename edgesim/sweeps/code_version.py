"""What the code of a result was: a hash of every source file that can change a figure."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import edgesim

PACKAGES = ("ir", "hw", "tech", "numerics", "mapping", "sim", "energy", "functional", "pipeline")
FILES = ("units.py",)
SUFFIXES = (".py", ".yaml")


@lru_cache(maxsize=1)
def code_version() -> str:
    """The first 16 hexadecimal digits of the SHA-256 over names and contents of the sources."""
    return source_hash(Path(edgesim.__file__).parent)


def source_hash(root: Path) -> str:
    """The hash of the result-affecting sources below a package folder."""
    found = [root / name for name in FILES]
    for package in PACKAGES:
        found += [p for p in (root / package).rglob("*") if p.suffix in SUFFIXES]
    digest = hashlib.sha256()
    for path in sorted(found):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
