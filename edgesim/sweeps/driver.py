"""The sweep driver: one for every search and every executor, with the store in front."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.ir.optrace import OpTrace
from edgesim.ir.workload import Workload
from edgesim.sweeps.design import Choice, Design, design_of
from edgesim.sweeps.genetic import evolve
from edgesim.sweeps.job import Verdict
from edgesim.sweeps.outcome import SweepResult, result_of, verdict
from edgesim.sweeps.plan import Job, Planner, make_sources
from edgesim.sweeps.pools import Pool, open_pool
from edgesim.sweeps.runner import OpenPoint, Runner, Task
from edgesim.sweeps.sampling import choices
from edgesim.sweeps.shares import Shares
from edgesim.sweeps.space import Space
from edgesim.sweeps.store import Outcome, Store, SweepRecord
from edgesim.tech import Technology


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C in a sweep; the message says what is kept and how to resume."""


def sweep(
    space: Space | Mapping[str, Any] | str | Path, trace: OpTrace | None = None, *,
    workload: Workload | None = None, store: str | Path | None = None,
    executor: str | Executor = "process", workers: int | None = None, dask: str | None = None,
    technology: Technology | None = None, reuse: bool = True,
) -> SweepResult:  # fmt: skip
    """Every point of a space, computed or found in the store.

    `space` is a Space, its keywords as a mapping, or a YAML file. Without `trace` the space names
    its models. `executor` is "process" (`workers`, by default one per core), "serial" or any
    concurrent.futures.Executor; `dask` is the address of a dask.distributed scheduler. Without
    `store` results live in memory. Points that do not fit are rows with reasons. A sweep that is
    killed keeps every finished point, and the same call computes only what is missing. Raises
    InputError for a faulty space, with all faults at once.
    """
    try:
        design = design_of(_space(space))
        with (
            tempfile.TemporaryDirectory(prefix="edgesim-sweep-") as folder,
            open_pool(executor, workers, dask, folder=Path(folder)) as pool,
        ):
            sources = make_sources(design, trace, workload, technology, reuse, Path(folder))
            with Store(store or ":memory:") as opened:
                return _Sweep(design, Planner(design, sources), opened, pool).result()
    except SweepInterrupted:
        raise
    except KeyboardInterrupt:
        raise SweepInterrupted("interrupted before the first point; nothing is lost") from None


def _space(given: Space | Mapping[str, Any] | str | Path) -> Space:
    if isinstance(given, Space):
        return given
    if isinstance(given, Mapping):
        try:
            return Space(**given)
        except TypeError as error:
            raise InputError(f"space: {error}") from None
    return Space.load(given)


class _Sweep:
    """A sweep under way."""

    def __init__(self, design: Design, planner: Planner, store: Store, pool: Pool) -> None:
        self.design, self.planner, self.store, self.pool = design, planner, store, pool
        self.counts = {"feasible": 0, "infeasible": 0, "failed": 0}
        self.positions = 0
        sources = sorted(source.key for source in planner.sources.values())
        text = json.dumps([design.to_json(), sources], sort_keys=True, default=str)
        sweep_id = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.record = SweepRecord(sweep_id, design.name, design.to_json())
        self.bar = tqdm(desc=design.name, unit="point", disable=None, leave=False)

    def result(self) -> SweepResult:
        """Run the design's search to its end."""
        try:
            if self.design.search.method == "nsga2":
                self.bar.total = self.design.search.points
                evolve(self.design, self.evaluate)
            else:
                found = choices(self.design)
                self.bar.total = len(found)
                self.store.announce(self.record, len(found))
                outcomes = self.evaluate(found)
                self.store.announce(self.record, len({outcome.key for outcome in outcomes}))
        except KeyboardInterrupt:
            try:
                self.pool.stop()
            finally:
                raise SweepInterrupted(self._how_to_resume()) from None
        finally:
            self.bar.close()
        return result_of(self.store, [self.record])

    def evaluate(self, wanted: Sequence[Choice]) -> list[Outcome]:
        """Outcomes of choices in order; only points that the store lacks are computed."""
        work = _Work(self, wanted)
        shares = Shares(self.planner.groups(wanted), len(self.pool.lanes), work.open_points)
        Runner(self.pool, work.done).run(shares.next)
        self.positions += len(wanted)
        return [work.known[key] for key in work.keys]

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes and count them."""
        self.store.put(outcomes)
        self.count(outcomes)

    def count(self, outcomes: Iterable[Outcome], found: bool = False) -> None:
        """Move the progress bar; points from the store do not count into its rate."""
        number = 0
        for outcome in outcomes:
            self.counts[verdict(outcome, self.design.constraints)[0]] += 1
            number += 1
        if found and not self.bar.disable:
            self.bar.initial += number
            self.bar.n += number
            self.bar.refresh()
        else:
            self.bar.update(number)
        self.bar.set_postfix(self.counts, refresh=False)

    def _how_to_resume(self) -> str:
        finished = self.counts["feasible"] + self.counts["infeasible"]
        if self.store.path == ":memory:":
            return "interrupted; name a store to keep finished points"
        return (
            f"interrupted; {finished} of {self.bar.total} points are kept in {self.store.path}, "
            "the same command computes the rest"
        )


class _Work:
    """Choices that are evaluated together; planned a few at a time, when workers have room."""

    def __init__(self, sweep: _Sweep, wanted: Sequence[Choice]) -> None:
        self.sweep = sweep
        self.wanted = wanted
        self.keys = [""] * len(wanted)
        """Key of every choice, known once it is planned."""
        self.known: dict[str, Outcome] = {}
        self.open_jobs: dict[str, Job] = {}

    def open_points(self, places: Sequence[int]) -> list[OpenPoint]:
        """Points that must be computed; those that the store has or no chip can be are noted."""
        jobs = self._plan(places)
        new = {job.key: job for job in jobs if job.key not in self.known}
        impossible = [
            job.outcome("infeasible", job.reason, {}, 0.0)
            for job in new.values()
            if job.work is None
        ]
        if impossible:
            self.sweep.note(impossible)
            self.known |= {outcome.key: outcome for outcome in impossible}
        points = []
        for key, job in new.items():
            if job.work is not None and key not in self.open_jobs:
                self.open_jobs[key] = job
                points.append(OpenPoint(key, job.source, *job.work))
        return points

    def _plan(self, places: Sequence[int]) -> list[Job]:
        """Jobs of some choices, entered in the store; what it knows of them is taken."""
        sweep = self.sweep
        jobs = [sweep.planner.job(self.wanted[place]) for place in places]
        for place, job in zip(places, jobs, strict=True):
            self.keys[place] = job.key
        first = sweep.positions
        sweep.store.enter(
            sweep.record,
            [(job.key, first + p, job.choice) for p, job in zip(places, jobs, strict=True)],
        )
        fresh = [job.key for job in jobs if job.key not in self.known]
        found = sweep.store.known(fresh)
        sweep.count(found.values(), found=True)
        self.known |= found
        return jobs

    def done(self, task: Task, verdicts: Sequence[Verdict]) -> None:
        """Note what became of a task's points."""
        outcomes = [
            self.open_jobs.pop(key).outcome(v.status, v.reason, v.figures, v.seconds)
            for key, v in zip(task.keys, verdicts, strict=True)
        ]
        self.sweep.note(outcomes)
        self.known |= {outcome.key: outcome for outcome in outcomes}
