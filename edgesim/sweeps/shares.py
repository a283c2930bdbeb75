"""Who computes which points: neighbours stay with one worker, an idle one takes over others'."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

PLANNED_POINTS = 64
"""Points that are planned and looked up in the store at a time."""

Point = TypeVar("Point")


class Shares(Generic[Point]):
    """Groups of places in equal runs, one for each worker; points are planned when asked for.

    What neighbouring points share is found by one worker alone. A worker without places takes the
    back half of the fullest share: whole groups while there are several.
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], count: int,
        plan: Callable[[Sequence[int]], Sequence[Point]],
    ) -> None:  # fmt: skip
        self._plan = plan
        """Gives the points of some places that must be computed, which may be none."""
        self._places: list[deque[Sequence[int]]] = [deque() for _ in range(count)]
        self._points: list[deque[Point]] = [deque() for _ in range(count)]
        total, passed = sum(len(group) for group in groups), 0
        for group in groups:
            self._places[(2 * passed + len(group)) * count // (2 * total)].append(group)
            passed += len(group)

    def next(self, worker: int) -> Point | None:
        """The next point of a worker; None when nobody has any left."""
        while True:
            if self._points[worker]:
                return self._points[worker].popleft()
            if self._places[worker]:
                self._points[worker].extend(self._plan(self._some_places(worker)))
            elif not self._take_over(worker):
                return None

    def _some_places(self, worker: int) -> list[int]:
        """Places to plan next: whole groups up to PLANNED_POINTS, or a piece of a large one."""
        waiting, found = self._places[worker], list[int]()
        while waiting and len(found) < PLANNED_POINTS:
            group = waiting.popleft()
            room = PLANNED_POINTS - len(found)
            found += group[:room]
            if len(group) > room:
                waiting.appendleft(group[room:])
        return found

    def _take_over(self, worker: int) -> bool:
        """Take the back half of the fullest share; False where all are empty."""
        fullest = max(range(len(self._places)), key=self._remaining)
        places, points = self._places[fullest], self._points[fullest]
        mine = self._places[worker]
        if len(places) > 1 or (places and points):
            mine.extendleft(places.pop() for _ in range((len(places) + bool(points)) // 2))
        elif places:
            group = places.pop()
            half = len(group) // 2
            places.extend([group[:half]] if half else [])
            mine.append(group[half:])
        elif points:
            self._points[worker].extendleft(points.pop() for _ in range(-(-len(points) // 2)))
        return bool(mine or self._points[worker])

    def _remaining(self, worker: int) -> int:
        return sum(map(len, self._places[worker])) + len(self._points[worker])
