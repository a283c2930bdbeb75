"""From a request to a run: the only way to a simulated, measured or modelled run of a trace."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from edgesim.energy import price
from edgesim.errors import InputError
from edgesim.functional.chip.profile import profile_of
from edgesim.hw.spec import AcceleratorSpec, Chip, GpuSpec, HostCpuSpec
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import RunRequest
from edgesim.ir.result import SimResult
from edgesim.ir.run import SimulationRun
from edgesim.mapping.artifact import mapper_for
from edgesim.mapping.planner import Mapper
from edgesim.pipeline import summary
from edgesim.pipeline.arithmetic import answered, as_stored
from edgesim.pipeline.gpu import simulate_gpu_chip
from edgesim.pipeline.host_cpu import measure_host_cpu
from edgesim.pipeline.run_input import RunInput, run_input
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import Technology, load_technology

Simulator = WorkloadSimulator | ScheduledSimulator
Part = TypeVar("Part")
MOST_KEPT = 256
"""Parts that `Opened` keeps; a resolved request of 872 sentences takes some 20 kB."""


@dataclass(eq=False)
class Opened:
    """Parts of opened runs that runs over one trace share, on all chips of one arithmetic."""

    kept: dict[Hashable, Any] = field(default_factory=dict)
    keep: bool = True
    """Whether anything is kept; without, requests need no hash."""

    def inputs_of(self, request: RunRequest, trace: OpTrace, chip: Chip) -> RunInput:
        """The request resolved: with answers in its arithmetic, and the trace as the chip has it.

        Both depend on the chip's arithmetic only.
        """
        place = (trace, request.arithmetic, _arithmetic_key(chip))
        workload, name = self._once(
            ("answers", *place, request.workload),
            lambda: answered(trace, chip, request.workload, request.arithmetic),
        )
        stored = self._once(("trace", *place), lambda: as_stored(trace, chip, name))
        return self._once(
            ("inputs", *place, request),
            lambda: run_input(request.with_workload(workload, name), stored),
        )

    def _once(self, key: tuple[Any, ...], make: Callable[[], Part]) -> Part:
        if not self.keep:
            return make()
        if key not in self.kept:
            if len(self.kept) >= MOST_KEPT:
                self.kept.clear()
            self.kept[key] = make()
        return cast(Part, self.kept[key])


def _arithmetic_key(chip: Chip) -> Hashable:
    """What opening a run reads of a chip."""
    if not isinstance(chip, AcceleratorSpec):
        return chip.kind
    if chip.arithmetic is None:
        return None
    profile = profile_of(chip)
    return profile.fingerprint, profile.vector_size


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A request on a chip, resolved; nothing is played before it is needed, and only once."""

    inputs: RunInput
    chip: Chip
    technology: Technology
    model: Any = None
    """Torch module behind the trace; a chip of kind `host-cpu` runs it."""
    logs: SegmentLogs | None = None
    """Shares segments with other runs."""

    @cached_property
    def played(self) -> PlayedRun:
        """Every sentence simulated; InputError for a chip that is no accelerator."""
        chip = accelerator_only(self.chip)
        mapper = mapper_for(self.inputs.trace, chip)
        simulator = simulator_of(self.inputs, mapper, chip, self.technology, self.logs)
        return PlayedRun(
            self.inputs, chip, self.technology, mapper, simulator, play_on(simulator, self.inputs)
        )

    @cached_property
    def result(self) -> SimResult:
        """Energy, latency, area and accuracy per sentence."""
        if isinstance(self.chip, GpuSpec):
            return simulate_gpu_chip(self.inputs, self.chip, self.technology)
        if isinstance(self.chip, HostCpuSpec):
            return measure_host_cpu(self.inputs, self.chip, self.technology, self.model)
        return self.played.result()


@dataclass(frozen=True, eq=False)
class PlayedRun:
    """An accelerator run before it is priced: what results and timelines are made from."""

    inputs: RunInput
    chip: AcceleratorSpec
    technology: Technology
    mapper: Mapper
    simulator: Simulator
    run: SimulationRun

    def result(self) -> SimResult:
        """The run, priced and summarised."""
        priced = price(self.run, self.inputs.trace, self.chip, self.technology)
        return summary.accelerator_result(
            self.inputs, self.chip, self.technology, self.mapper, self.simulator, self.run, priced
        )


def open_run(
    request: RunRequest, trace: OpTrace, chip: Chip, technology: Technology | None = None, *,
    model: Any = None, logs: SegmentLogs | None = None, opened: Opened | None = None,
) -> OpenRun:  # fmt: skip
    """The run that a request asks for; nothing is simulated yet.

    Answers and exits are in the request's arithmetic, weights and zeros of activations as the chip
    stores them. `technology` is by default the shipped tables; `opened` keeps what later runs over
    the same trace share. Raises InputError for settings that fit neither each other nor the chip.
    """
    inputs = (opened or Opened(keep=False)).inputs_of(request, trace, chip)
    if request.target is not None and not isinstance(chip, AcceleratorSpec):
        raise InputError(
            f"{chip.name} is of kind {chip.kind} and has no voltage-frequency pairs; leave the "
            "latency target out for it"
        )
    if request.precision is not None and not isinstance(chip, GpuSpec):
        raise InputError(
            f"precision {request.precision!r} belongs to a GPU; {chip.name} is of kind "
            f"{chip.kind}: leave it out"
        )
    return OpenRun(inputs, chip, technology or load_technology(), model, logs)


def accelerator_only(chip: Chip) -> AcceleratorSpec:
    """The chip, if it is one whose events are simulated; InputError otherwise."""
    if not isinstance(chip, AcceleratorSpec):
        raise InputError(
            f"{chip.name} is of kind {chip.kind}, which is not simulated event by event; choose an "
            "accelerator (edgesim chip list)"
        )
    return chip


def simulator_of(
    inputs: RunInput, mapper: Mapper, chip: AcceleratorSpec, technology: Technology,
    logs: SegmentLogs | None = None,
) -> Simulator:  # fmt: skip
    """What simulates the sentences: with a latency target at several voltages."""
    kind = WorkloadSimulator if inputs.target is None else ScheduledSimulator
    return kind(mapper, chip, technology, logs)


def play_on(simulator: Simulator, inputs: RunInput) -> SimulationRun:
    """Every sentence of a run, simulated."""
    ids = None if inputs.workload is None else inputs.workload.token_ids
    if isinstance(simulator, ScheduledSimulator):
        assert inputs.target is not None
        return simulator.run(inputs.num_tokens, inputs.decision, inputs.target, ids)
    return simulator.run(inputs.num_tokens, inputs.exit_layers, inputs.decision.ramps, ids)
