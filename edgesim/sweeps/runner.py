"""Points through a pool: a few tasks at a time, one retry for what a dying worker lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from edgesim.errors import InputError
from edgesim.hw.spec import Chip
from edgesim.ir.request import RunRequest
from edgesim.sweeps.job import Source, Verdict, evaluate_points, failed
from edgesim.sweeps.pools import Lane, Pool

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
    request: RunRequest


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


@dataclass(eq=False)
class _Queue:
    """What one lane of a pool is doing."""

    number: int
    lane: Lane
    running: int = 0
    """Its tasks under way."""
    suspects: deque[Task] = field(default_factory=deque)
    held: OpenPoint | None = None
    """A point of the next task's source."""


class Runner:
    """Feeds a pool. Points whose worker dies are retried once, each alone, then failed.

    The first tasks hold one point each, so that something shows soon; then as many as take
    TASK_SECONDS.
    """

    def __init__(self, pool: Pool, done: Callable[[Task, list[Verdict]], None]) -> None:
        self.pool = pool
        self.done = done
        self.running: dict[Future[list[Verdict]], tuple[_Queue, Task]] = {}
        self._queues = [_Queue(number, lane) for number, lane in enumerate(pool.lanes)]
        self._sent: dict[str, Any] = {}
        self._size = 1

    def run(self, take: Callable[[int], OpenPoint | None]) -> None:
        """Compute every point; returns when all are done.

        `take` gives the next point for the lane of a number, or None. It is asked only when a
        worker has room.
        """
        while True:
            for queue in self._queues:
                self._feed(queue, take)
            if not self.running:
                return
            finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
            lost: dict[_Queue, list[Task]] = {}
            for future in finished:
                queue, task = self.running[future]
                if not self._take(future):
                    lost.setdefault(queue, []).append(task)
            for queue, tasks in lost.items():
                self._recover(queue, tasks)

    def _feed(self, queue: _Queue, take: Callable[[int], OpenPoint | None]) -> None:
        """Start tasks; suspects run alone, so that only the guilty one is lost again."""
        room = TASKS_PER_WORKER * queue.lane.workers
        while not queue.suspects and queue.running < room:
            task = self._gathered(queue, take)
            if task is None:
                break
            self._start(queue, task)
        if queue.suspects and not queue.running:
            self._start(queue, queue.suspects.popleft())

    def _gathered(
        self, queue: _Queue, take: Callable[[int], OpenPoint | None]
    ) -> Task | None:  # fmt: skip
        """The next points of one source; None when none is left."""
        points: list[OpenPoint] = []
        while len(points) < self._size:
            point = queue.held or take(queue.number)
            queue.held = None
            if point is None:
                break
            if points and point.source.key != points[0].source.key:
                queue.held = point
                break
            points.append(point)
        return Task(tuple(points)) if points else None

    def _start(self, queue: _Queue, task: Task) -> None:
        source = self._sent.get(task.source.key)
        if source is None:
            source = self._sent[task.source.key] = self.pool.send(task.source)
        requests = [(point.chip, point.request) for point in task.points]
        try:
            future = queue.lane.executor.submit(evaluate_points, source, requests)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        queue.running += 1
        self.running[future] = queue, task

    def _take(self, future: Future[list[Verdict]]) -> bool:
        """Hand on what a future brings; False where its worker died."""
        queue, task = self.running.pop(future)
        queue.running -= 1
        try:
            verdicts = future.result()
        except BrokenExecutor:
            return False
        except Exception as error:
            self._again(queue, task, f"{type(error).__name__}: {error}")
            return True
        self._size = _next_size(self._size, sum(verdict.seconds for verdict in verdicts), task)
        self.done(task, verdicts)
        return True

    def _recover(self, queue: _Queue, lost: list[Task]) -> None:
        """Start a lane anew, and its tasks one point at a time."""
        for future, (owner, task) in list(self.running.items()):
            if owner is queue:
                lost.append(task)
                del self.running[future]
        queue.running = 0
        if not self.pool.renew(queue.lane):
            raise InputError(
                "the executor that was given broke; finished points are stored, give a new one and "
                "sweep again"
            )
        for task in lost:
            self._again(queue, task, "its worker process died, twice")

    def _again(self, queue: _Queue, task: Task, reason: str) -> None:
        if task.retried:
            self.done(task, [failed(reason) for _ in task.keys])
        else:
            queue.suspects.extend(task.one_by_one())


def _next_size(size: int, seconds: float, task: Task) -> int:
    """Points of the next task, after what one took; at most twice as many as before."""
    wanted = TASK_SECONDS * len(task.points) / max(seconds, 1e-9)
    return max(1, round(min(wanted, 2 * size, MOST_POINTS)))
