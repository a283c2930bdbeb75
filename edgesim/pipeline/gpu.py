"""A GPU baseline as a SimResult."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.hw.spec import GpuSpec
from edgesim.ir.interval import ZERO, Interval
from edgesim.ir.proof import proof_words
from edgesim.ir.result import SimResult
from edgesim.pipeline.answers import accuracy, sentence_rows
from edgesim.pipeline.run_input import RunInput, input_hashes
from edgesim.sim.gpu import GpuParameters, simulate_gpu
from edgesim.tech import Technology


def simulate_gpu_chip(
    asked: RunInput, chip: GpuSpec, technology: Technology, precision: str | None
) -> SimResult:
    """The result of a run on a GPU; with exits, every ramp syncs with the host."""
    chosen = precision or chip.precisions[0]
    if chosen not in chip.precisions:
        raise InputError(f"precision {chosen!r}; {chip.name} has {', '.join(chip.precisions)}")
    if asked.decision.strategy not in ("no-exit", "entropy"):
        raise InputError(
            f"strategy {asked.decision.strategy} is not modelled on {chip.name}; give it an exit "
            "threshold or full depth"
        )
    exits = asked.exit_layers if asked.early_exit else None
    dense = not asked.trace.masks
    run = simulate_gpu(asked.trace, chip, asked.num_tokens, exits, technology, chosen, dense)
    latency, chip_j, offchip_j = (
        _mean(values) for values in (run.latency_s, run.chip_energy_j, run.offchip_energy_j)
    )
    parameters = GpuParameters.of(chip.device, chosen, technology)
    peak_macs = parameters.peak_flop_per_s.value / 2
    bandwidth = parameters.bandwidth_bytes_per_s.value
    ideal = np.maximum(run.macs / peak_macs, run.traffic_bytes / bandwidth)
    right = accuracy(asked)
    host = np.zeros(len(asked.num_tokens))
    return SimResult(
        chip=chip.name, model=asked.trace.name, chip_kind=chip.kind,
        settings={**asked.settings, "precision": chosen},
        num_sentences=len(asked.num_tokens),
        accuracy=right.value if right else None,
        accuracy_low=right.low if right else None,
        accuracy_high=right.high if right else None,
        average_exit_layer=float(asked.exit_layers.mean()) if asked.trace.has_exits else None,
        num_layers=asked.trace.num_layers,
        latency_s=latency, energy_j=chip_j + offchip_j, chip_energy_j=chip_j,
        offchip_energy_j=offchip_j, host_energy_j=ZERO,
        ideal_latency_s=float(ideal.mean()),
        area_mm2=None, area_parts_mm2={},
        sentences=sentence_rows(
            asked, run.latency_s[0], run.chip_energy_j[0], run.offchip_energy_j[0], host
        ),
        breakdown=run.breakdown, bottlenecks=(), roofline=run.roofline,
        peak_macs_per_s=peak_macs, memory_bytes_per_s=bandwidth,
        spilled_bytes=0.0, traffic_over_compulsory=1.0, schedule_range_s={},
        operating_points=(f"{chip.device}, {chosen}",),
        sources=run.sources, assumed=run.assumed, fitted=(),
        not_modelled=("area of the GPU", *run.not_modelled),
        inputs=input_hashes(asked, chip, technology),
        notes=(proof_words(asked.trace.proof), *asked.trace.notes, *run.notes),
    )  # fmt: skip


def _mean(values: NDArray[np.float64]) -> Interval:
    value, low, high = (float(mean) for mean in values.mean(axis=1))
    return Interval(value, low, high)
