"""Points through a pool: a few tasks at a time, one retry for what a dying worker lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any

from edgesim.errors import InputError
from edgesim.hw.spec import Chip
from edgesim.pipeline.evaluate import RunOptions
from edgesim.sweeps.job import Source, Verdict, evaluate_points, failed
from edgesim.sweeps.pools import Pool

TASKS_PER_WORKER = 2
"""Tasks under way for each worker: enough that none waits, few enough to stop soon."""
TASK_SECONDS = 0.1
"""What a task should take: long beside its way to the worker, short to whoever waits or stops."""
MOST_POINTS = 64
"""Points of a task, however fast they are."""


@dataclass(frozen=True, eq=False)
class OpenPoint:
    """A point that must be computed."""

    key: str
    source: Source
    chip: Chip
    options: RunOptions


@dataclass(frozen=True, eq=False)
class Task:
    """Points over one source that are computed together."""

    points: tuple[OpenPoint, ...]
    retried: bool = False

    @property
    def source(self) -> Source:
        """Trace and workload of all points."""
        return self.points[0].source

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the points."""
        return tuple(point.key for point in self.points)

    def one_by_one(self) -> Iterable[Task]:
        """A task for each point, marked as retried."""
        return (Task((point,), retried=True) for point in self.points)


class Runner:
    """Feeds a pool. Points whose worker dies are retried once, each alone, then failed.

    The first tasks hold one point each, so that something shows soon; then as many as take
    TASK_SECONDS.
    """

    def __init__(self, pool: Pool, done: Callable[[Task, list[Verdict]], None]) -> None:
        self.pool = pool
        self.done = done
        self.suspects: deque[Task] = deque()
        self.running: dict[Future[list[Verdict]], Task] = {}
        self._sent: dict[str, Any] = {}
        self._next: OpenPoint | None = None
        self._size = 1

    def run(self, points: Iterable[OpenPoint]) -> None:
        """Compute every point, taken only when a worker has room; returns when all are done."""
        waiting = iter(points)
        self._feed(waiting)
        while self.running:
            finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
            lost = [task for future in finished for task in self._take(future)]
            if lost:
                self._recover(lost)
            self._feed(waiting)

    def _feed(self, waiting: Iterator[OpenPoint]) -> None:
        """Start tasks; suspects run alone, so that only the guilty one is lost again."""
        room = TASKS_PER_WORKER * self.pool.workers
        while not self.suspects and len(self.running) < room:
            task = self._gathered(waiting)
            if task is None:
                break
            self._start(task)
        if self.suspects and not self.running:
            self._start(self.suspects.popleft())

    def _gathered(self, waiting: Iterator[OpenPoint]) -> Task | None:
        """The next points of one source; None when none is left."""
        points: list[OpenPoint] = []
        while len(points) < self._size:
            point = self._next or next(waiting, None)
            self._next = None
            if point is None:
                break
            if points and point.source.key != points[0].source.key:
                self._next = point
                break
            points.append(point)
        return Task(tuple(points)) if points else None

    def _start(self, task: Task) -> None:
        source = self._sent.get(task.source.key)
        if source is None:
            source = self._sent[task.source.key] = self.pool.send(task.source)
        asked = [(point.chip, point.options) for point in task.points]
        try:
            future = self.pool.executor.submit(evaluate_points, source, asked)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self.running[future] = task

    def _take(self, future: Future[list[Verdict]]) -> list[Task]:
        """Hand on what a future brings; the task itself where the pool broke."""
        task = self.running.pop(future)
        try:
            verdicts = future.result()
        except BrokenExecutor:
            return [task]
        except Exception as error:
            self._again(task, f"{type(error).__name__}: {error}")
            return []
        self._size = _next_size(self._size, sum(verdict.seconds for verdict in verdicts), task)
        self.done(task, verdicts)
        return []

    def _recover(self, lost: list[Task]) -> None:
        lost = [*lost, *self.running.values()]
        self.running.clear()
        if not self.pool.renew():
            raise InputError(
                "the executor that was given broke; finished points are stored, give a new one and "
                "sweep again"
            )
        for task in lost:
            self._again(task, "its worker process died, twice")

    def _again(self, task: Task, reason: str) -> None:
        if task.retried:
            self.done(task, [failed(reason) for _ in task.keys])
        else:
            self.suspects.extend(task.one_by_one())


def _next_size(size: int, seconds: float, task: Task) -> int:
    """Points of the next task, after what one took; at most twice as many as before."""
    wanted = TASK_SECONDS * len(task.points) / max(seconds, 1e-9)
    return max(1, round(min(wanted, 2 * size, MOST_POINTS)))
