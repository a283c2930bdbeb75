"""Taking turns in SimPy without an event where nothing has to wait.

`simpy.Resource` makes two events per turn even on a free resource; most turns here are free. Order
is first come, first served, so ties in time are broken by the order of the asking.
"""

from __future__ import annotations

from collections import deque

import simpy


class Turns:
    """A number of equal places, given out in the order of asking."""

    def __init__(self, env: simpy.Environment, places: int) -> None:
        self._env = env
        self._free = places
        self._queue: deque[simpy.Event] = deque()

    def take(self) -> simpy.Event | None:
        """A place at once (None), or the event that will bring one."""
        if self._free > 0:
            self._free -= 1
            return None
        waiting: simpy.Event = self._env.event()
        self._queue.append(waiting)
        return waiting

    def give(self) -> None:
        """Return a place; it goes to whoever has waited longest."""
        if self._queue:
            self._queue.popleft().succeed()
        else:
            self._free += 1
