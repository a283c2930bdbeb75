"""The machine at hand as a SimResult: measured time, and nothing that was not measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgesim.errors import InputError
from edgesim.hw.spec import HostCpuSpec
from edgesim.ir.figures import INTERVALS
from edgesim.ir.interval import Interval
from edgesim.ir.result import BreakdownRow, SimResult
from edgesim.pipeline.answers import sentence_rows
from edgesim.pipeline.figures import run_figures, sim_result
from edgesim.pipeline.run_input import RunInput
from edgesim.tech import Technology


def measure_host_cpu(
    inputs: RunInput, chip: HostCpuSpec, technology: Technology, model: Any
) -> SimResult:
    """Measured latency per sentence: the median at its length; the range spans all repeats.

    Raises InputError without a module (a trace has no weights to run) and with early exit: the
    forward pass computes every layer.
    """
    from edgesim.lowering.host_run import time_forward

    if model is None:
        raise InputError(
            f"{chip.name} runs the model itself; give a MODEL (zoo or Hugging Face folder, or "
            "simulate(..., model=module)), a trace has no weights"
        )
    if inputs.decision.strategy != "no-exit":
        raise InputError(f"{chip.name} runs the whole forward pass; leave the exit options out")
    timing = time_forward(
        model, [int(count) for count in inputs.num_tokens], repeats=chip.repeats,
        warm_up=chip.warm_up, threads=chip.threads,
    )  # fmt: skip
    columns = timing.seconds[:, np.searchsorted(timing.lengths, inputs.num_tokens)]
    latency = Interval(*(float(mean) for mean in columns.mean(axis=1)))
    threads = f"{timing.threads} thread" + ("s" if timing.threads > 1 else "")
    means = {**dict.fromkeys(INTERVALS), "latency_s": latency}
    figures = run_figures(
        inputs, means, columns[0], None, ideal_latency_s=None, spilled_bytes=0.0,
        traffic_over_compulsory=None,
    )  # fmt: skip
    return sim_result(
        inputs, chip, technology, figures, stated={"precision": "fp32"}, area_parts_mm2={},
        sentences=sentence_rows(inputs, columns[0], None, None, None),
        breakdown=(BreakdownRow("kind", "forward pass", None, latency.value),),
        bottlenecks=(), roofline=(), peak_macs_per_s=None, memory_bytes_per_s=None,
        schedule_range_s={},
        operating_points=(f"{timing.machine}, {threads}, {timing.software}, float32, batch 1",),
        sources=(), assumed=chip.assumed, fitted=(), not_modelled=chip.not_modelled,
        notes=_notes(inputs, chip),
    )  # fmt: skip


def _notes(inputs: RunInput, chip: HostCpuSpec) -> tuple[str, ...]:
    lines = [
        f"latency is measured: the median of {chip.repeats} forward passes per sentence length "
        f"after {chip.warm_up} unmeasured ones; the range is the fastest and the slowest",
        "another run, or another load of the machine, gives other figures",
    ]
    if inputs.trace.has_exits:
        lines.append("the forward pass computes every off-ramp, not the last one alone")
    return (*inputs.trace.notes, *lines)
