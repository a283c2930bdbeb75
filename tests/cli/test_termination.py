"""SIGTERM ends a command as Ctrl-C does: one line, no worker left, no word of the interpreter's."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from edgesim.sweeps.store import FINISHED, Store

SPACE = """
model: minilm-sst2-ee
sentences: 2
axes:
  clock.voltage: {low: 0.6 V, high: 0.9 V, num: 50000}
"""


def finished(path: Path) -> int:
    with Store(path) as store:
        return sum(store.counts()[status] for status in FINISHED)


def test_sigterm_ends_a_sweep_with_one_line_and_keeps_its_points(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    path = tmp_path / "s.db"
    command = [sys.executable, "-m", "edgesim.cli", "sweep", "space.yaml", "--store", "s.db",
               "--workers", "1"]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until = time.monotonic() + 60
            while time.monotonic() < until and not (path.exists() and finished(path)):
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            output, error = process.communicate(timeout=60)
        finally:
            process.kill()
    kept = finished(path)
    assert kept > 0
    assert error == (
        f"edgesim: interrupted; {kept} of 50000 points are kept in s.db, the same command computes "
        "the rest\n"
    )
    assert (process.returncode, output) == (143, "")
