"""Figures of a run from its sentences and segments, and the result around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.costs import Account
from edgesim.energy.ledger import ACCOUNTS
from edgesim.hw.spec import Chip
from edgesim.ir.figures import (
    LATE,
    MEDIAN,
    RunFigures,
    SegmentTotals,
    mean_interval,
)
from edgesim.ir.interval import Interval
from edgesim.ir.result import SimResult
from edgesim.ir.run import SimulationRun
from edgesim.pipeline.answers import accuracy
from edgesim.pipeline.run_input import RunInput, input_hashes
from edgesim.statistics import nearest_rank
from edgesim.tech import Technology
from edgesim.units import TICKS_PER_S


def run_figures(
    inputs: RunInput, means: Mapping[str, Interval | None], latency_s: NDArray[np.float64],
    energy_j: NDArray[np.float64] | None, **totals: float | None,
) -> RunFigures:  # fmt: skip
    """The figures of any run.

    `means` holds one interval for each of `edgesim.ir.figures.INTERVALS`, `latency_s` and
    `energy_j` are nominal columns over the sentences; `totals` are further fields.
    """
    right = accuracy(inputs)
    energy = (None, None) if energy_j is None else _percentiles(energy_j)
    latency = _percentiles(latency_s)
    return RunFigures(
        num_sentences=len(inputs.num_tokens),
        accuracy=right.value if right else None,
        accuracy_low=right.low if right else None,
        accuracy_high=right.high if right else None,
        average_exit_layer=float(inputs.exit_layers.mean()) if inputs.trace.has_exits else None,
        latency_p50_s=latency[0], latency_p95_s=latency[1],
        energy_p50_j=energy[0], energy_p95_j=energy[1],
        **{"missed_fraction": None, **means, **totals},  # type: ignore[arg-type]
    )  # fmt: skip


def accelerator_figures(
    inputs: RunInput, run: SimulationRun, energies: Mapping[Account, NDArray[np.float64]],
    area_mm2: Interval, totals: SegmentTotals, at_rest_bits: int,
) -> RunFigures:  # fmt: skip
    """The figures of a simulated run.

    `energies` are joules by account, rows for value, low and high, (3, num_sentences);
    `at_rest_bits` are weights that do not fit their first medium.
    """
    latency_s = run.latency_ticks() / TICKS_PER_S
    chip_j, offchip_j, host_j = (energies[account] for account in ACCOUNTS)
    total_j = chip_j + offchip_j + host_j
    means = {
        "latency_s": Interval.exact(float(latency_s.mean())), "energy_j": mean_interval(total_j),
        "chip_energy_j": mean_interval(chip_j), "offchip_energy_j": mean_interval(offchip_j),
        "host_energy_j": mean_interval(host_j), "area_mm2": area_mm2,
    }  # fmt: skip
    return run_figures(
        inputs, means, latency_s, total_j[0],
        ideal_latency_s=totals.ideal_latency_s(len(latency_s)),
        spilled_bytes=totals.spilled_bytes(at_rest_bits),
        traffic_over_compulsory=totals.traffic_over_compulsory,
        missed_fraction=None if run.schedule is None else float(run.schedule.missed.mean()),
    )  # fmt: skip


def sim_result(
    inputs: RunInput, chip: Chip, technology: Technology, figures: RunFigures, *,
    stated: Mapping[str, Any] | None = None, **details: Any,
) -> SimResult:  # fmt: skip
    """The result of a run: its figures, what it was asked for, and `details` of its kind of chip.

    `stated` is added to the settings of the request.
    """
    return SimResult(
        chip=chip.name, model=inputs.trace.name, chip_kind=chip.kind,
        settings={**inputs.stated(), **(stated or {})}, num_layers=inputs.trace.num_layers,
        inputs=input_hashes(inputs, chip, technology), **figures.of_result(), **details,
    )  # fmt: skip


def _percentiles(column: NDArray[np.float64]) -> tuple[float, float]:
    return nearest_rank(column, MEDIAN), nearest_rank(column, LATE)
