"""What a worker is given, and what it gives back. Nothing here loads torch."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from edgesim.errors import ChipError, InfeasibleError, InputError, TechnologyError
from edgesim.hw.spec import Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import load_trace, save_trace
from edgesim.ir.workload import Workload
from edgesim.pipeline.evaluate import Evaluator, Figures, RunOptions
from edgesim.tech import Technology

TRACE, WORKLOAD = "trace.npz", "workload.npz"


@dataclass(frozen=True)
class Source:
    """Trace and workload of a sweep, as files or as their bytes; equal keys mean equal content."""

    key: str
    folder: str = field(default="", compare=False)
    """Where the files lie on this machine; empty where the content travels along."""
    trace: bytes = field(default=b"", compare=False)
    workload: bytes = field(default=b"", compare=False)
    technology: Technology | None = field(default=None, compare=False)
    """None for the shipped tables."""
    reuse: bool = True

    def shipped(self) -> Source:
        """The same with the files' content, for workers on other machines."""
        folder = Path(self.folder)
        workload = folder / WORKLOAD
        return Source(
            self.key, "", (folder / TRACE).read_bytes(),
            workload.read_bytes() if workload.is_file() else b"", self.technology, self.reuse,
        )  # fmt: skip

    def load(self) -> Evaluator:
        """An evaluator over the content."""
        if self.folder:
            return self._from(Path(self.folder))
        with tempfile.TemporaryDirectory(prefix="edgesim-") as folder:
            (Path(folder) / TRACE).write_bytes(self.trace)
            if self.workload:
                (Path(folder) / WORKLOAD).write_bytes(self.workload)
            return self._from(Path(folder))

    def _from(self, folder: Path) -> Evaluator:
        stored = folder / WORKLOAD
        workload = Workload.load(stored) if stored.is_file() else None
        return Evaluator(load_trace(folder / TRACE), workload, self.technology, self.reuse)


def write_source(
    folder: Path, key: str, trace: OpTrace, workload: Workload | None,
    technology: Technology | None, reuse: bool,
) -> Source:  # fmt: skip
    """Lay trace and workload down in a folder. Raises InputError where the disk refuses."""
    try:
        folder.mkdir()
        save_trace(trace, folder / TRACE)
        if workload is not None:
            workload.save(folder / WORKLOAD)
    except (OSError, InputError) as error:
        raise InputError(
            f"{error}: workers read trace and workload from the temporary folder; free some room "
            "there, or name another in TMPDIR"
        ) from None
    return Source(key, str(folder), technology=technology, reuse=reuse)


AskedPoint = tuple[Chip, RunOptions]
"""What a worker is asked for."""


@dataclass(frozen=True)
class Verdict:
    """What evaluating one point came to."""

    status: str
    reason: str
    figures: Figures
    seconds: float


def evaluate_points(source: Source, points: Sequence[AskedPoint]) -> list[Verdict]:
    """Verdicts of several points. Never raises for a point: failures are verdicts."""
    try:
        evaluator = _evaluator(source, threading.get_ident())
    except Exception as error:
        return [Verdict("failed", _reason(error), {}, 0.0) for _ in points]
    return [_verdict(evaluator, chip, options) for chip, options in points]


@lru_cache(maxsize=4)
def _evaluator(source: Source, thread: int) -> Evaluator:
    """A worker's evaluator: loaded once for each source and thread, because it holds state."""
    return source.load()


def _verdict(evaluator: Evaluator, chip: Chip, options: RunOptions) -> Verdict:
    begin = time.perf_counter()
    status, reason, figures = "feasible", "", Figures()
    try:
        figures = evaluator.figures(chip, options)
    except (InfeasibleError, InputError, TechnologyError, ChipError) as error:
        status, reason = "infeasible", str(error)
    except Exception as error:
        status, reason = "failed", _reason(error)
    return Verdict(status, reason, figures, time.perf_counter() - begin)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def failed(reason: str) -> Verdict:
    """The verdict of a point that no worker finished."""
    return Verdict("failed", reason, {}, 0.0)
