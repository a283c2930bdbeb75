"""One run by keywords: `es.simulate`."""

from __future__ import annotations

from typing import Any

from edgesim.hw.spec import Chip
from edgesim.ir.exits import ExitPolicy
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32, RunRequest
from edgesim.ir.result import SimResult
from edgesim.ir.workload import Workload
from edgesim.pipeline.opening import open_run
from edgesim.tech import Technology


def simulate(
    trace: OpTrace, chip: Chip, *, workload: Workload | None = None,
    exit_policy: ExitPolicy | None = None, pad_to: int | None = None,
    arithmetic: str = FLOAT32, precision: str | None = None,
    technology: Technology | None = None, model: Any = None,
    latency_target_s: float | None = None, latency_target_fraction: float | None = None,
    strategy: str | None = None,
) -> SimResult:  # fmt: skip
    """Energy, latency, area and accuracy of a trace on a chip, per sentence.

    Without a workload one sentence of `pad_to` tokens runs at full depth. Without an exit policy
    only the last off-ramp runs. With a latency target, in seconds or as a fraction of each
    sentence's full-depth, full-speed time, the chip slows down after layer 1 as far as the target
    allows. `strategy` is one of `no-exit`, `fixed`, `entropy`, `latency-aware`; left out, it
    follows from the policy, and an EntropyExit with a target is latency-aware where the workload
    holds a predictor. `precision` chooses the row of a GPU. `model` is the
    torch module behind the trace; only a chip of kind `host-cpu` runs it. `arithmetic`
    is `float32`, `chip` or `edgebert-hls-as-released`: answers and exits are those of the workload
    where it was recorded in it, else of the trace executed on the workload's token ids.
    Raises InputError for settings that do not fit together, InfeasibleError where the trace does
    not fit the chip.
    """
    request = RunRequest.of(
        workload=workload, exit_policy=exit_policy, pad_to=pad_to, arithmetic=arithmetic,
        precision=precision, latency_target_s=latency_target_s,
        latency_target_fraction=latency_target_fraction, strategy=strategy,
    )  # fmt: skip
    return open_run(request, trace, chip, technology, model=model).result
