"""The start of numba in a process of edgesim's own: a command, or a worker before any point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from edgesim.mapping.stored import packed_column_tiles


def load_kernels() -> None:
    """Load a first kernel, which starts numba and takes most of a first point's time.

    Not for processes of others: while it starts, SciPy cannot be imported.
    """
    with _scipy_hidden():
        packed_column_tiles(np.zeros(8, dtype=np.uint8), 8, 8, 8)


@contextmanager
def _scipy_hidden() -> Iterator[None]:
    """Keep numba from loading SciPy, a fifth of a second, for linear algebra no kernel has."""
    name = "scipy"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
