"""One run: a trace on a chip over a workload, priced and summarised as a SimResult."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.energy import price
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec, Chip, GpuSpec, HostCpuSpec
from edgesim.ir.exits import EntropyExit
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.ir.run import SimulationRun
from edgesim.ir.workload import Workload
from edgesim.mapping.artifact import mapper_for
from edgesim.mapping.planner import Mapper
from edgesim.pipeline import summary
from edgesim.pipeline.gpu import simulate_gpu_chip
from edgesim.pipeline.host_cpu import measure_host_cpu
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import Technology, load_technology

ARITHMETICS = ("float32",)


@dataclass(frozen=True, eq=False)
class RunInput:
    """Sentences as a run sees them: lengths, exit layers, and what the run was asked for."""

    trace: OpTrace
    workload: Workload | None
    num_tokens: NDArray[np.int64]
    exit_layers: NDArray[np.int64]
    early_exit: bool
    settings: dict[str, Any]


def simulate(
    trace: OpTrace, chip: Chip, *, workload: Workload | None = None,
    exit_policy: EntropyExit | None = None, pad_to: int | None = None,
    arithmetic: str = "float32", precision: str | None = None,
    technology: Technology | None = None, model: Any = None,
) -> SimResult:  # fmt: skip
    """Energy, latency, area and accuracy of a trace on a chip, per sentence.

    Without a workload one sentence of `pad_to` tokens runs at full depth. Without an exit policy
    only the last off-ramp runs. `precision` chooses the row of a GPU. `model` is the
    torch module behind the trace; only a chip of kind `host-cpu` runs it. Raises InputError for
    settings that do not fit together, InfeasibleError where the trace does not fit the chip.
    """
    asked = prepare(trace, workload, exit_policy, pad_to, arithmetic)
    tables = technology if technology is not None else load_technology()
    if isinstance(chip, GpuSpec):
        return simulate_gpu_chip(asked, chip, tables, precision)
    if isinstance(chip, HostCpuSpec):
        return measure_host_cpu(asked, chip, tables, model)
    if precision is not None:
        raise InputError(f"precision {precision!r} belongs to a GPU; {chip.name} is none")
    return play(asked, chip, tables).result()


def prepare(
    trace: OpTrace, workload: Workload | None, exit_policy: EntropyExit | None,
    pad_to: int | None, arithmetic: str,
) -> RunInput:  # fmt: skip
    """Lengths and exit layers of a run; InputError for settings that do not fit together."""
    if arithmetic not in ARITHMETICS:
        raise InputError(f"arithmetic {arithmetic!r}; allowed: {', '.join(ARITHMETICS)}")
    num_tokens = _lengths(trace, workload, pad_to)
    exit_layers = _exit_layers(trace, workload, exit_policy, len(num_tokens))
    settings = {
        "exit": "off" if exit_policy is None else f"entropy < {exit_policy.threshold:g}",
        "exit_threshold": None if exit_policy is None else exit_policy.threshold,
        "pad_to": pad_to,
        "arithmetic": arithmetic,
        "weights": "compressed" if trace.masks else "dense",
        "workload": None if workload is None else workload.name,
    }
    if not trace.has_exits:
        settings["exit"] = "n/a"
    early = exit_policy is not None
    return RunInput(trace, workload, num_tokens, exit_layers, early, settings)


def _lengths(trace: OpTrace, workload: Workload | None, pad_to: int | None) -> NDArray[np.int64]:
    if workload is None and pad_to is None:
        raise InputError("a trace without a workload needs pad_to (--pad-to N), the tokens to run")
    if pad_to is not None and not 1 <= pad_to <= trace.max_tokens:
        raise InputError(f"pad_to {pad_to}: the model allows 1 to {trace.max_tokens} tokens")
    if workload is None:
        return np.array([pad_to], dtype=np.int64)
    longest = int(workload.num_tokens.max())
    if longest > (pad_to or trace.max_tokens):
        raise InputError(
            f"workload {workload.name!r} has a sentence of {longest} tokens; "
            f"{'pad_to is' if pad_to else 'the model allows'} {pad_to or trace.max_tokens}"
        )
    if pad_to is None:
        return workload.num_tokens.astype(np.int64)
    return np.full(len(workload), pad_to, dtype=np.int64)


def _exit_layers(
    trace: OpTrace, workload: Workload | None, exit_policy: EntropyExit | None, count: int
) -> NDArray[np.int64]:
    full = np.full(count, trace.num_layers, dtype=np.int64)
    if workload is not None and workload.entropies is not None and trace.has_exits:
        layers = workload.entropies.shape[1]
        if layers != trace.num_layers:
            raise InputError(
                f"workload {workload.name!r} has entropies of {layers} layers, the trace "
                f"{trace.name!r} has {trace.num_layers}; record it with this model"
            )
    if exit_policy is None:
        return full
    if not trace.has_exits:
        raise InputError(f"{trace.name!r} has no off-ramps; leave the exit threshold out")
    if workload is None or workload.entropies is None:
        raise InputError(
            "early exit needs a workload with entropies (--workload W or --sentences F)"
        )
    return exit_policy.exit_layers(workload.entropies)


@dataclass(frozen=True, eq=False)
class PlayedRun:
    """An accelerator run before it is priced: what results and timelines are made from."""

    asked: RunInput
    chip: AcceleratorSpec
    technology: Technology
    mapper: Mapper
    simulator: WorkloadSimulator
    run: SimulationRun

    def result(self) -> SimResult:
        """The run, priced and summarised."""
        priced = price(self.run, self.asked.trace, self.chip, self.technology)
        return summary.accelerator_result(
            self.asked, self.chip, self.technology, self.mapper, self.simulator, self.run, priced
        )


def play(asked: RunInput, chip: AcceleratorSpec, technology: Technology) -> PlayedRun:
    """Map the trace and simulate every sentence."""
    mapper = mapper_for(asked.trace, chip)
    simulator = WorkloadSimulator(mapper, chip, technology)
    ids = None if asked.workload is None else asked.workload.token_ids
    run = simulator.run(asked.num_tokens, asked.exit_layers, asked.early_exit, ids)
    return PlayedRun(asked, chip, technology, mapper, simulator, run)
