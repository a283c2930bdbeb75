"""Tasks through a pool: a window of them at a time, one retry for what a dying worker lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from edgesim.errors import InputError
from edgesim.hw.spec import Chip
from edgesim.pipeline.evaluate import RunOptions
from edgesim.sweeps.job import Source, Verdict, evaluate_group, failed
from edgesim.sweeps.pools import Pool

TASKS_PER_WORKER = 2
"""Tasks under way for each worker: enough that none waits, few enough to stop soon."""


@dataclass(frozen=True, eq=False)
class Task:
    """Points on one chip that are computed together."""

    source: Source
    chip: Chip
    keys: tuple[str, ...]
    runs: tuple[RunOptions, ...]
    retried: bool = False

    def one_by_one(self) -> Iterable[Task]:
        """A task for each point, marked as retried."""
        for key, run in zip(self.keys, self.runs, strict=True):
            yield replace(self, keys=(key,), runs=(run,), retried=True)


class Runner:
    """Feeds a pool. Points whose worker dies are retried once, each alone, then failed."""

    def __init__(self, pool: Pool, done: Callable[[Task, list[Verdict]], None]) -> None:
        self.pool = pool
        self.done = done
        self.suspects: deque[Task] = deque()
        self.running: dict[Future[list[Verdict]], Task] = {}
        self._sent: dict[str, Any] = {}

    def run(self, tasks: Iterable[Task]) -> None:
        """Compute every task; returns when all are done."""
        waiting = deque(tasks)
        while waiting or self.suspects or self.running:
            self._feed(waiting)
            finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
            lost = [task for future in finished for task in self._take(future)]
            if lost:
                self._recover(lost)

    def _feed(self, waiting: deque[Task]) -> None:
        """Start tasks; suspects run alone, so that only the guilty one is lost again."""
        room = TASKS_PER_WORKER * self.pool.workers
        while waiting and not self.suspects and len(self.running) < room:
            self._start(waiting.popleft())
        if self.suspects and not self.running:
            self._start(self.suspects.popleft())

    def _start(self, task: Task) -> None:
        source = self._sent.get(task.source.key)
        if source is None:
            source = self._sent[task.source.key] = self.pool.send(task.source)
        try:
            future = self.pool.executor.submit(evaluate_group, source, task.chip, task.runs)
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
