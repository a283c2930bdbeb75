"""A sweep of 800 points in processes that are killed at random moments; run by a test.

Prints `point` for each committed point, `kept N` (or `broken`) after each kill, then the rest.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import Any
from unittest import mock

from toy_traces import BertShape, bert_like

from edgesim.pipeline.evaluate import Figures
from edgesim.sweeps import driver, job
from edgesim.sweeps.store import Store

SHAPE = BertShape(width=16, heads=1, hidden=16, layers=1, vocabulary=16, max_tokens=8)


class SlowStub:
    """Stands in for an evaluator: a millisecond a point, figures from the options."""

    def figures(self, chip: Any, options: Any) -> Figures:
        time.sleep(0.001)
        return {"energy_j": options.exit_threshold, "latency_s": chip.clock.voltage_v}


def main() -> None:
    path, kills, rng = sys.argv[1], int(sys.argv[2]), random.Random(5)
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            run(path)
            os._exit(0)
        time.sleep(0.02 + rng.random() * 0.2)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with Store(path) as store:
            found = f"kept {sum(store.counts().values())}" if store.sound() else "broken"
        print(found, flush=True)
    run(path)


def run(path: str) -> None:
    """The sweep, with whatever the store holds already."""
    original = Store.put

    def put(store: Store, outcomes: Any) -> None:
        original(store, outcomes)
        print("point\n" * len(outcomes), end="", flush=True)

    axes = {
        "clock.voltage": {"low": "0.6 V", "high": "0.9 V", "num": 40},
        "exit_threshold": {"low": 0.0, "high": 0.7, "num": 20},
    }
    with (
        mock.patch.object(Store, "put", put),
        mock.patch.object(job, "_evaluator", return_value=SlowStub()),
        mock.patch("edgesim.sweeps.plan.MOST_RUNS", 2),
    ):
        driver.sweep({"axes": axes}, bert_like(SHAPE), store=path, executor="serial")


if __name__ == "__main__":
    main()
