"""Energy against memory size, between the points of the tables and never outside them."""

from __future__ import annotations

import math

from edgesim.errors import TechnologyError
from edgesim.ir.interval import Interval
from edgesim.tech.technology import Technology


def interpolate(
    technology: Technology, family: str, quantity: str, size_bytes: int
) -> tuple[Interval, tuple[str, ...]]:
    """Log-log interpolation at `size_bytes`, and the ids of the points it rests on.

    The ends of the range are interpolated like the value. A size at a point is that point. A size
    outside the points raises TechnologyError: nothing is extrapolated.
    """
    points = technology.points(family, quantity)
    for (below, first), (above, second) in zip(points, points[1:] or points, strict=False):
        if size_bytes == below:
            return technology.interval(first.id), (first.id,)
        if below < size_bytes < above:
            weight = math.log(size_bytes / below) / math.log(above / below)
            left, right = technology.interval(first.id), technology.interval(second.id)
            ends = (
                math.exp((1 - weight) * math.log(a) + weight * math.log(b))
                for a, b in (
                    (left.value, right.value), (left.low, right.low), (left.high, right.high),
                )
            )  # fmt: skip
            return Interval(*ends), (first.id, second.id)
    if size_bytes == points[-1][0]:
        return technology.interval(points[-1][1].id), (points[-1][1].id,)
    raise TechnologyError(
        f"{family} {quantity}: no point for {size_bytes} bytes; the tables span {points[0][0]} to "
        f"{points[-1][0]} bytes; choose a size inside or add a point with its source"
    )
