"""A sweep of 800 points in processes that are killed at random moments; run by a test.

Every second kill comes after the child's first commit, however slow the machine is. Prints
`point` for each committed point, `kept N` (or `broken`) after each kill, then the rest.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from types import SimpleNamespace
from typing import Any
from unittest import mock

from toy_traces import BertShape, bert_like

from edgesim.sweeps import driver, job
from edgesim.sweeps.store import Store

SHAPE = BertShape(width=16, heads=1, hidden=16, layers=1, vocabulary=16, max_tokens=8)


class SlowStub:
    """Stands in for an evaluator: a millisecond a point, figures from the request."""

    def figures(self, chip: Any, request: Any) -> SimpleNamespace:
        time.sleep(0.001)
        figures = {"energy_j": request.exit_policy.threshold, "latency_s": chip.clock.voltage_v}
        return SimpleNamespace(to_json=lambda: figures)


def main() -> None:
    path, kills, rng = sys.argv[1], int(sys.argv[2]), random.Random(5)
    for number in range(kills):
        begun, begin = os.pipe()
        child = os.fork()
        if child == 0:
            run(path, begin)
            os._exit(0)
        os.close(begin)
        if number % 2:
            os.read(begun, 1)
        time.sleep(rng.random() * 0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(begun)
        with Store(path) as store:
            found = f"kept {sum(store.counts().values())}" if store.sound() else "broken"
        print(found, flush=True)
    run(path)


def run(path: str, begin: int | None = None) -> None:
    """The sweep, with whatever the store holds already; the first commit writes to `begin`."""
    original = Store.put

    def put(store: Store, outcomes: Any) -> None:
        nonlocal begin
        original(store, outcomes)
        if begin is not None:
            os.write(begin, b".")
            begin = None
        print("point\n" * len(outcomes), end="", flush=True)

    axes = {
        "clock.voltage": {"low": "0.6 V", "high": "0.9 V", "num": 40},
        "exit_threshold": {"low": 0.0, "high": 0.7, "num": 20},
    }
    with (
        mock.patch.object(Store, "put", put),
        mock.patch.object(job, "_evaluator", return_value=SlowStub()),
        mock.patch("edgesim.sweeps.runner.MOST_POINTS", 2),
    ):
        driver.sweep({"axes": axes}, bert_like(SHAPE), store=path, executor="serial")


if __name__ == "__main__":
    main()
