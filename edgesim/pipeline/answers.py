"""Accuracy of the answers that a run gives, and the sentence rows of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.latency import VoltageSchedule
from edgesim.ir.result import SentenceRow
from edgesim.pipeline.run_input import RunInput
from edgesim.statistics import Proportion, wilson_proportion
from edgesim.units import TICKS_PER_S


def predictions(inputs: RunInput) -> NDArray[np.int64] | None:
    """The answer at each sentence's exit layer; None without logits."""
    workload = inputs.workload
    if workload is None or workload.logits is None:
        return None
    last = workload.logits.shape[1]
    ramp = np.minimum(inputs.exit_layers, last) - 1 if inputs.trace.has_exits else last - 1
    chosen = workload.logits[np.arange(len(workload)), ramp]
    answers: NDArray[np.int64] = np.argmax(chosen, axis=1).astype(np.int64)
    return answers


def accuracy(inputs: RunInput) -> Proportion | None:
    """Accuracy at the exit layers; None without logits or labels."""
    answers = predictions(inputs)
    if answers is None or inputs.workload is None or inputs.workload.labels is None:
        return None
    right = int(np.sum(answers == inputs.workload.labels))
    return wilson_proportion(right, len(answers))


def sentence_rows(
    inputs: RunInput, latency_s: NDArray[np.float64], chip_j: NDArray[np.float64] | None,
    offchip_j: NDArray[np.float64] | None, host_j: NDArray[np.float64] | None,
    schedule: VoltageSchedule | None = None,
) -> tuple[SentenceRow, ...]:  # fmt: skip
    """One row per sentence, from nominal columns; None for energies that were not measured."""
    parts = (chip_j, offchip_j, host_j)
    measured = [part for part in parts if part is not None]
    total = sum(measured[1:], measured[0]) if len(measured) == len(parts) else None
    answers = predictions(inputs)
    labels = None if inputs.workload is None else inputs.workload.labels
    return tuple(
        SentenceRow(
            num_tokens=int(inputs.num_tokens[i]),
            exit_layer=int(inputs.exit_layers[i]) if inputs.trace.has_exits else None,
            latency_s=float(latency_s[i]),
            energy_j=_at(total, i),
            chip_energy_j=_at(chip_j, i),
            offchip_energy_j=_at(offchip_j, i),
            host_energy_j=_at(host_j, i),
            prediction=None if answers is None else int(answers[i]),
            label=None if labels is None else int(labels[i]),
            **_scheduled(schedule, i),
        )
        for i in range(len(inputs.num_tokens))
    )


def _scheduled(schedule: VoltageSchedule | None, row: int) -> dict[str, Any]:
    if schedule is None:
        return {}
    point = schedule.points[int(schedule.chosen[row])]
    return {
        "planned_layer": int(schedule.planned_layers[row]),
        "operating_point": point.words() if schedule.decided[row] else None,
        "latency_target_s": float(schedule.target_ticks[row]) / TICKS_PER_S,
        "met_target": not bool(schedule.missed[row]),
    }


def _at(column: NDArray[np.float64] | None, row: int) -> float | None:
    return None if column is None else float(column[row])
