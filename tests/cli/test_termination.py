"""How a sweep ends from outside: SIGTERM as Ctrl-C does, and what even SIGKILL leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgesim.sweeps.store import FINISHED, Store

SPACE = """
model: minilm-sst2-ee
sentences: 2
axes:
  clock.voltage: {low: 0.6 V, high: 0.9 V, num: 50000}
"""
LONGEST_S = 60.0


def finished(path: Path) -> int:
    with Store(path) as store:
        return sum(store.counts()[status] for status in FINISHED)


@contextmanager
def sweep_under_way(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep with one worker and a temporary folder of its own, once it has stored a point."""
    (folder / "space.yaml").write_text(SPACE)
    (folder / "tmp").mkdir()
    command = [sys.executable, "-m", "edgesim.cli", "sweep", "space.yaml", "--store", "s.db",
               "--workers", "1"]  # fmt: skip
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
    ) as process:  # fmt: skip
        try:
            path, until = folder / "s.db", time.monotonic() + LONGEST_S
            while time.monotonic() < until and not (path.exists() and finished(path)):
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def test_sigterm_ends_a_sweep_with_one_line_and_keeps_its_points(tmp_path: Path) -> None:
    with sweep_under_way(tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        output, error = process.communicate(timeout=LONGEST_S)
    kept = finished(tmp_path / "s.db")
    assert kept > 0
    assert error == (
        f"edgesim: interrupted; {kept} of 50000 points are kept in s.db, the same command computes "
        "the rest\n"
    )
    assert (process.returncode, output) == (143, "")
    export = [sys.executable, "-m", "edgesim.cli", "store", "export", "s.db", "-o", "p.csv"]
    done = subprocess.run(export, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"p.csv: {kept} points, {50000 - kept} more are not computed yet\n"
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 1 + kept


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_workers_of_a_killed_sweep_end_and_remove_its_temporary_folder(tmp_path: Path) -> None:
    with sweep_under_way(tmp_path) as process:
        assert list((tmp_path / "tmp").glob("edgesim-sweep-*"))
        process.kill()
        process.communicate(timeout=LONGEST_S)  # ends when the worker has closed its pipes too
    assert finished(tmp_path / "s.db") > 0
    assert not list((tmp_path / "tmp").glob("edgesim-sweep-*"))
