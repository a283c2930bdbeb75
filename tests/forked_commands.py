"""Commands of edgesim in forks of a warm process: time and memory without those of imports.

As a script it reads one JSON list of arguments a line and answers each with one line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KIB_PER_RSS = 1 if sys.platform == "linux" else 1 / 1024
"""Units of `ru_maxrss` per KiB."""
CPU_LIMIT_S = 120
"""Stops a command that would never end; one that compiles every kernel takes 20 to 40."""
SPARE_BYTES = 4 * 2**30
"""Address space that a command may add before it is stopped."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    error: str
    cpu_s: float
    """Processor time without start and imports, so that a busy machine does not count."""
    peak_bytes: int
    """Largest resident set, imports included."""


class Forked:
    """A warm process; every command runs in a fork of it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, *arguments: object) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(a) for a in arguments]) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


@contextlib.contextmanager
def forked(*modules: str) -> Iterator[Forked]:
    """A warm process that has imported `modules`."""
    process = subprocess.Popen(
        [sys.executable, __file__, *modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )  # fmt: skip
    with process:
        yield Forked(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve(modules: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_run_forked(json.loads(line))), flush=True)


def _run_forked(arguments: list[str]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(arguments, writing)
    os.close(writing)
    with os.fdopen(reading) as stream:
        error = stream.read()
    _, status, usage = os.wait4(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status), "error": error,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_bytes": int(usage.ru_maxrss * KIB_PER_RSS * 1024),
    }  # fmt: skip


def _child(arguments: list[str], writing: int) -> None:
    """Run one command, send what it wrote to standard error, end the fork."""
    from edgesim.cli import main

    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    said = io.StringIO()
    code = 1
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except BaseException:  # reported as the traceback that a user would see
            traceback.print_exc()
    os.write(writing, said.getvalue()[-100_000:].encode())
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1:])
