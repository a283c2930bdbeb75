"""What the machine is, and what a command costs on it: shared by the benchmarks."""

from __future__ import annotations

import compileall
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

KIB_PER_RSS = 1024 if sys.platform == "darwin" else 1
"""Units of `ru_maxrss` per KiB."""


@dataclass(frozen=True)
class Usage:
    """What one command took."""

    returncode: int | None
    """None for a command that was stopped at its time limit."""
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    output: str
    errors: str


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    what: str
    value: float | None
    """None where it could not be measured."""
    unit: str
    target: float | None = None
    note: str = ""
    at_least: bool = False
    """Whether the target is a floor."""

    def cells(self) -> tuple[str, str, str, str]:
        """What, figure, target and verdict as text."""
        value = "-" if self.value is None else f"{self.value:.3g} {self.unit}"
        if self.target is None:
            return self.what, value, "-", self.note
        verdict = "not measured" if self.value is None else self._verdict(self.value, self.target)
        floor = "at least " if self.at_least else ""
        words = f"{verdict}; {self.note}" if self.note else verdict
        return self.what, value, f"{floor}{self.target:g} {self.unit}", words

    def _verdict(self, value: float, target: float) -> str:
        over = target / value if self.at_least else value / target
        return "met" if over <= 1 else f"missed by {over:.1f} x"


def find_byte_code() -> None:
    """Compile edgesim, and let commands keep what they compile: as where pip installs it."""
    import edgesim

    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(Path(edgesim.__file__).parent, quiet=1)


def measured(
    command: Sequence[str], folder: Path, limit_s: float,
    environment: Mapping[str, str] | None = None,
) -> Usage:  # fmt: skip
    """Run a command in `folder`, its output in files there, and stop it after `limit_s`.

    A small process of its own starts it: Linux counts what the parent held when it forked as
    memory of the child.
    """
    request = json.dumps([list(command), str(folder), limit_s])
    done = subprocess.run(
        [sys.executable, "-S", str(Path(__file__).resolve()), request],
        env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Usage(
        *json.loads(done.stdout),
        output=(folder / "stdout.txt").read_text(errors="replace"),
        errors=(folder / "stderr.txt").read_text(errors="replace"),
    )


def _measure(command: Sequence[str], folder: Path, limit_s: float) -> tuple[float | None, ...]:
    """Exit code (None if stopped), wall seconds, CPU seconds and peak MB of a command."""
    begin = time.perf_counter()
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            process.kill()

        timer = threading.Timer(limit_s, stop)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    return (
        None if stopped.is_set() else process.returncode,
        time.perf_counter() - begin,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / KIB_PER_RSS * 1024 / 1e6,
    )


def machine_text(*packages: str) -> str:
    """Processor, cores, load, Python and package versions, in two lines."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    found = ", ".join(f"{name} {package_version(name)}" for name in packages)
    return (
        f"machine: {processor_name()}, {os.cpu_count()} CPUs, {platform.system()}, "
        f"load average at the start {load}\n"
        f"versions: Python {platform.python_version()}, {found}"
    )


def processor_name() -> str:
    """The processor as the system names it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_version(name: str) -> str:
    """Version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a header, columns aligned, as a Markdown table."""
    cells = [list(header), ["-" * 3] * len(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    cells[1] = ["-" * width for width in widths]
    lines = (" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    _command, _folder, _limit_s = json.loads(sys.argv[1])
    print(json.dumps(_measure(_command, Path(_folder), _limit_s)))
