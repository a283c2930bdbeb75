"""What a worker is given, and what it gives back. Nothing here loads torch."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgesim.errors import ChipError, InfeasibleError, InputError, TechnologyError
from edgesim.hw.spec import Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32, RunRequest
from edgesim.ir.workload import Workload
from edgesim.pipeline.evaluate import Evaluator
from edgesim.tech import Technology

CONTENT = "content.pickle"


@dataclass(frozen=True)
class Source:
    """Trace and workload of a sweep, as a file or as its bytes; equal keys mean equal content."""

    key: str
    folder: str = field(default="", compare=False)
    """Where the file lies on this machine; empty where the content travels along."""
    content: bytes = field(default=b"", compare=False)
    technology: Technology | None = field(default=None, compare=False)
    """None for the shipped tables."""
    reuse: bool = True
    arithmetic: str = field(default=FLOAT32, compare=False)
    """Of the workload's answers."""

    def shipped(self) -> Source:
        """The same with the file's content, for workers on other machines."""
        return replace(self, folder="", content=(Path(self.folder) / CONTENT).read_bytes())

    def load(self) -> Evaluator:
        """An evaluator over the content."""
        content = (Path(self.folder) / CONTENT).read_bytes() if self.folder else self.content
        trace, workload = pickle.loads(content)
        return Evaluator(trace, workload, self.technology, self.reuse)


def write_source(
    folder: Path, key: str, trace: OpTrace, workload: Workload | None,
    technology: Technology | None, reuse: bool,
) -> Source:  # fmt: skip
    """Lay trace and workload down in a folder that only this user can write, for workers.

    Weight values and the order of token ids are kept: runs in a chip's arithmetic execute them.
    Raises InputError where the disk refuses.
    """
    try:
        folder.mkdir()
        with (folder / CONTENT).open("wb") as file:
            pickle.dump((trace, workload), file, pickle.HIGHEST_PROTOCOL)
    except OSError as error:
        raise InputError(
            f"{error}: workers read trace and workload from the temporary folder; free some room "
            "there, or name another in TMPDIR"
        ) from None
    arithmetic = FLOAT32 if workload is None else workload.arithmetic
    return Source(
        key, str(folder), technology=technology, reuse=reuse, arithmetic=arithmetic
    )  # fmt: skip


PointRequest = tuple[Chip, RunRequest]
"""What a worker computes."""


@dataclass(frozen=True)
class Verdict:
    """What evaluating one point came to."""

    status: str
    reason: str
    figures: Mapping[str, Any]
    seconds: float


def evaluate_points(source: Source, points: Sequence[PointRequest]) -> list[Verdict]:
    """Verdicts of several points. Never raises for a point: failures are verdicts."""
    try:
        evaluator = _evaluator(source, threading.get_ident())
    except Exception as error:
        return [Verdict("failed", _reason(error), {}, 0.0) for _ in points]
    return [_verdict(evaluator, chip, request) for chip, request in points]


@lru_cache(maxsize=4)
def _evaluator(source: Source, thread: int) -> Evaluator:
    """A worker's evaluator: loaded once for each source and thread, because it holds state."""
    return source.load()


def _verdict(evaluator: Evaluator, chip: Chip, request: RunRequest) -> Verdict:
    begin = time.perf_counter()
    figures: Mapping[str, Any]
    status, reason, figures = "feasible", "", {}
    try:
        figures = evaluator.figures(chip, request).to_json()
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
