"""Where points are computed: in this process, in worker processes, on a dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from edgesim.errors import InputError
from edgesim.pipeline.kernel_start import load_kernels
from edgesim.sweeps.job import Source

KINDS = ("process", "serial")
STOP_SECONDS = 5.0
"""Longest wait for worker processes to end, so that leaving finds nothing to wait for."""


class SerialExecutor(Executor):
    """Runs every task in this process, when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _CleanProcess(SpawnProcess):
    """A fresh interpreter that does not run the caller's script again.

    Scripts need no `if __name__ == "__main__"`, and a worker loads no torch that they import.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        with _main_hidden(), _interrupts_blocked():
            return SpawnProcess._Popen(process_obj)


class _CleanContext(SpawnContext):
    Process = _CleanProcess


@contextmanager
def _main_hidden() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process that starts meanwhile inherits the block: Ctrl-C is the parent's from the start."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(eq=False)
class Lane:
    """An executor of a pool; a process pool has one for each worker, so that each keeps its own."""

    executor: Executor
    workers: int
    """Tasks that it runs at a time."""


class Pool:
    """Executors with how to send them a source, and how to make one anew when it breaks."""

    def __init__(
        self, make: Callable[[], Executor], workers: int, *, lanes: int = 1, owned: bool,
        send: Callable[[Source], Any] = lambda source: source,
    ) -> None:  # fmt: skip
        self._make = make
        self.lanes = [Lane(make(), workers // lanes) for _ in range(lanes)]
        self.owned = owned
        """Whether the sweep may stop the executors and start others."""
        self.send = send

    def renew(self, lane: Lane) -> bool:
        """Replace a broken executor; False where it is not ours."""
        if not self.owned:
            return False
        _stop([lane.executor])
        lane.executor = self._make()
        return True

    def stop(self) -> None:
        """End the executors now, with what their workers are doing."""
        if self.owned:
            _stop([lane.executor for lane in self.lanes])


def _stop(executors: Sequence[Executor]) -> None:
    managers = []
    for executor in executors:
        processes = list((getattr(executor, "_processes", None) or {}).values())
        managers.append(getattr(executor, "_executor_manager_thread", None))
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
    for manager in managers:
        if manager is not None:
            manager.join(STOP_SECONDS)


@contextmanager
def open_pool(
    executor: str | Executor = "process", workers: int | None = None, dask: str | None = None, *,
    folder: Path | None = None,
) -> Iterator[Pool]:  # fmt: skip
    """A pool of a kind, of the caller's executor, or of the dask scheduler at an address.

    Worker processes remove `folder` when this process dies before it can.
    """
    if workers is not None and (type(workers) is not int or workers < 1):
        raise InputError(f"workers: got {workers!r}; a whole number of at least 1")
    if dask is not None:
        with _dask_pool(dask) as pool:
            yield pool
        return
    if isinstance(executor, Executor):
        yield _foreign_pool(executor, workers)
        return
    if executor not in KINDS:
        raise InputError(
            f"executor: got {executor!r}; {', '.join(KINDS)}, or any concurrent.futures.Executor"
        )
    if executor == "serial":
        pool = Pool(SerialExecutor, 1, owned=True)
    else:
        count = workers or os.cpu_count() or 1
        pool = Pool(lambda: _worker_process(folder), count, lanes=count, owned=True)
    try:
        yield pool
    finally:
        pool.stop()


def _worker_process(folder: Path | None) -> ProcessPoolExecutor:
    """A process of its own that starts at once, while the sweep is still planned."""
    executor = ProcessPoolExecutor(
        1, mp_context=_CleanContext(), initializer=_begin_worker, initargs=(folder,)
    )
    executor.submit(load_kernels)
    return executor


def _begin_worker(folder: Path | None) -> None:
    """Leave Ctrl-C to the parent; when it ends, however it ends, remove `folder` and end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel, folder), daemon=True).start()


def _follow(sentinel: int, folder: Path | None) -> None:
    wait([sentinel])
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _foreign_pool(executor: Executor, workers: int | None) -> Pool:
    """The caller's executor; a dask client's gets content instead of file names."""
    count = workers or getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    client = getattr(executor, "_client", None)
    if client is None:
        return Pool(lambda: executor, count, owned=False)
    return Pool(lambda: executor, count, owned=False, send=lambda s: client.scatter(s.shipped()))


@contextmanager
def _dask_pool(address: str) -> Iterator[Pool]:
    try:
        from distributed import Client as Distributed
    except ImportError:
        raise InputError("--dask needs dask.distributed; pip install 'edgesim[dask]'") from None
    try:
        connect: Any = Distributed
        client = connect(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"dask scheduler at {address}: {error}; start one with `dask scheduler`"
        ) from None
    with client:
        count = max(1, sum(client.nthreads().values()))
        yield _foreign_pool(client.get_executor(), count)
