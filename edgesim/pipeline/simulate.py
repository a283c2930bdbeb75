"""One run: a trace on a chip over a workload, priced and summarised as a SimResult."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgesim.energy import price
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec, Chip, GpuSpec, HostCpuSpec
from edgesim.ir.exits import ExitPolicy
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.ir.run import SimulationRun
from edgesim.ir.workload import Workload
from edgesim.mapping.artifact import mapper_for
from edgesim.mapping.planner import Mapper
from edgesim.pipeline import summary
from edgesim.pipeline.arithmetic import answered, as_stored
from edgesim.pipeline.gpu import simulate_gpu_chip
from edgesim.pipeline.host_cpu import measure_host_cpu
from edgesim.pipeline.run_input import RunInput, prepare
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import Technology, load_technology


def simulate(
    trace: OpTrace, chip: Chip, *, workload: Workload | None = None,
    exit_policy: ExitPolicy | None = None, pad_to: int | None = None,
    arithmetic: str = "float32", precision: str | None = None,
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
    target = LatencyTarget.of(latency_target_s, latency_target_fraction)
    workload, arithmetic = answered(trace, chip, workload, arithmetic)
    trace = as_stored(trace, chip, arithmetic)
    asked = prepare(
        trace, workload, exit_policy, pad_to, arithmetic, target=target, strategy=strategy
    )
    tables = technology if technology is not None else load_technology()
    if target is not None and not isinstance(chip, AcceleratorSpec):
        raise InputError(
            f"{chip.name} is of kind {chip.kind} and has no voltage-frequency pairs; leave the "
            "latency target out for it"
        )
    if isinstance(chip, GpuSpec):
        return simulate_gpu_chip(asked, chip, tables, precision)
    if isinstance(chip, HostCpuSpec):
        return measure_host_cpu(asked, chip, tables, model)
    if precision is not None:
        raise InputError(f"precision {precision!r} belongs to a GPU; {chip.name} is none")
    return play(asked, chip, tables).result()


@dataclass(frozen=True, eq=False)
class PlayedRun:
    """An accelerator run before it is priced: what results and timelines are made from."""

    asked: RunInput
    chip: AcceleratorSpec
    technology: Technology
    mapper: Mapper
    simulator: WorkloadSimulator | ScheduledSimulator
    run: SimulationRun

    def result(self) -> SimResult:
        """The run, priced and summarised."""
        priced = price(self.run, self.asked.trace, self.chip, self.technology)
        return summary.accelerator_result(
            self.asked, self.chip, self.technology, self.mapper, self.simulator, self.run, priced
        )


def play(
    asked: RunInput, chip: AcceleratorSpec, technology: Technology,
    logs: SegmentLogs | None = None,
) -> PlayedRun:  # fmt: skip
    """Map the trace and simulate every sentence; `logs` shares segments with other runs."""
    mapper = mapper_for(asked.trace, chip)
    ids = None if asked.workload is None else asked.workload.token_ids
    if asked.target is not None:
        scheduled = ScheduledSimulator(mapper, chip, technology, logs)
        run = scheduled.run(asked.num_tokens, asked.decision, asked.target, ids)
        return PlayedRun(asked, chip, technology, mapper, scheduled, run)
    simulator = WorkloadSimulator(mapper, chip, technology, logs)
    run = simulator.run(asked.num_tokens, asked.exit_layers, asked.decision.ramps, ids)
    return PlayedRun(asked, chip, technology, mapper, simulator, run)
