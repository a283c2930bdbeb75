"""A GPU baseline as a SimResult."""

from __future__ import annotations

import numpy as np

from edgesim.errors import InputError
from edgesim.hw.spec import GpuSpec
from edgesim.ir.figures import mean_interval
from edgesim.ir.interval import ZERO
from edgesim.ir.proof import proof_words
from edgesim.ir.result import SimResult
from edgesim.pipeline.answers import sentence_rows
from edgesim.pipeline.figures import run_figures, sim_result
from edgesim.pipeline.run_input import RunInput
from edgesim.sim.gpu import GpuParameters, simulate_gpu
from edgesim.tech import Technology


def simulate_gpu_chip(inputs: RunInput, chip: GpuSpec, technology: Technology) -> SimResult:
    """The result of a run on a GPU; with exits, every ramp syncs with the host."""
    precision = gpu_precision(inputs, chip)
    if inputs.decision.strategy not in ("no-exit", "entropy"):
        raise InputError(
            f"strategy {inputs.decision.strategy} is not modelled on {chip.name}; give it an exit "
            "threshold or full depth"
        )
    exits = inputs.exit_layers if inputs.early_exit else None
    dense = not inputs.trace.masks
    run = simulate_gpu(inputs.trace, chip, inputs.num_tokens, exits, technology, precision, dense)
    latency, chip_j, offchip_j = (
        mean_interval(values) for values in (run.latency_s, run.chip_energy_j, run.offchip_energy_j)
    )
    parameters = GpuParameters.of(chip.device, precision, technology)
    peak_macs = parameters.peak_flop_per_s.value / 2
    bandwidth = parameters.bandwidth_bytes_per_s.value
    ideal = np.maximum(run.macs / peak_macs, run.traffic_bytes / bandwidth)
    host = np.zeros(len(inputs.num_tokens))
    means = {
        "latency_s": latency, "energy_j": chip_j + offchip_j, "chip_energy_j": chip_j,
        "offchip_energy_j": offchip_j, "host_energy_j": ZERO, "area_mm2": None,
    }  # fmt: skip
    energy_j = run.chip_energy_j[0] + run.offchip_energy_j[0] + host
    figures = run_figures(
        inputs, means, run.latency_s[0], energy_j, ideal_latency_s=float(ideal.mean()),
        spilled_bytes=0.0, traffic_over_compulsory=1.0,
    )  # fmt: skip
    return sim_result(
        inputs, chip, technology, figures, stated={"precision": precision}, area_parts_mm2={},
        sentences=sentence_rows(
            inputs, run.latency_s[0], run.chip_energy_j[0], run.offchip_energy_j[0], host
        ),
        breakdown=run.breakdown, bottlenecks=(), roofline=run.roofline,
        peak_macs_per_s=peak_macs, memory_bytes_per_s=bandwidth,
        schedule_range_s={},
        operating_points=(f"{chip.device}, {precision}",),
        sources=run.sources, assumed=run.assumed, fitted=(),
        not_modelled=("area of the GPU", *run.not_modelled),
        notes=(proof_words(inputs.trace.proof), *inputs.trace.notes, *run.notes),
    )  # fmt: skip


def gpu_precision(inputs: RunInput, chip: GpuSpec) -> str:
    """The row of a GPU that a run uses: its first unless the request names another."""
    precision = inputs.request.precision or chip.precisions[0]
    if precision not in chip.precisions:
        raise InputError(f"precision {precision!r}; {chip.name} has {', '.join(chip.precisions)}")
    return precision
