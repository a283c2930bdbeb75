"""Points of a design: the whole grid, random draws, or a Sobol sequence."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgesim.sweeps.design import Choice, Design


def choices(design: Design) -> list[Choice]:
    """The choices that a grid, random or Sobol search visits, without repetition."""
    search = design.search
    if search.method == "grid":
        return list(itertools.product(*(axis.grid() for axis in design.axes)))
    draw = _random if search.method == "random" else _sobol
    found = (
        tuple(axis.at(float(share)) for axis, share in zip(design.axes, row, strict=True))
        for row in draw(search.points or 0, len(design.axes), search.seed)
    )
    return list(_distinct(found))


def choice_key(choice: Choice) -> str:
    """Text that is equal for equal choices."""
    return json.dumps(list(choice), sort_keys=True)


def _distinct(found: Iterator[Choice]) -> Iterator[Choice]:
    seen: set[str] = set()
    for choice in found:
        key = choice_key(choice)
        if key not in seen:
            seen.add(key)
            yield choice


def _random(count: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((count, dimensions))


def _sobol(count: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    """The first points of a scrambled Sobol sequence (Owen, 1998)."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(seed))
    exponent = max(0, int(np.ceil(np.log2(count))))
    points: NDArray[np.float64] = sequence.random_base2(exponent)[:count]
    return points
