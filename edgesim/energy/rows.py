"""Breakdown of the mean sentence by unit, op kind and layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.ledger import PricedSegments
from edgesim.ir.interval import Interval
from edgesim.ir.result import BreakdownRow
from edgesim.ir.run import SimulationRun
from edgesim.units import TICKS_PER_S

J_PER_PJ = 1e-12


def breakdown_rows(run: SimulationRun, priced: PricedSegments) -> tuple[BreakdownRow, ...]:
    """Rows of the groups `unit`, `kind` and `layer`, means per sentence.

    Energies of each group sum to the mean energy; times of `kind` and `layer` sum to the mean
    latency, while units overlap. Parts that are never busy, such as leakage, have no time.
    """
    weights = run.segment_counts() / len(run.sentence_segments)
    return (*_units(run, priced, weights), *_kinds(priced, weights), *_layers(run, priced, weights))


def _units(
    run: SimulationRun, priced: PricedSegments, weights: NDArray[np.float64]
) -> list[BreakdownRow]:
    rows = []
    for (account, name), cells in priced.units.items():
        busy = run.joined.busy_ticks(name)
        row = _row("unit", name, weights @ cells, float(weights @ busy))
        rows.append(replace(row, account=account))
    return rows


def _kinds(priced: PricedSegments, weights: NDArray[np.float64]) -> list[BreakdownRow]:
    rows = []
    idle = np.zeros(priced.num_segments)
    for name in dict.fromkeys(kind for _, kind in priced.kinds):
        cells = sum(c for (_, kind), c in priced.kinds.items() if kind == name)
        ticks = priced.kind_ticks.get(name, idle)
        rows.append(_row("kind", name, weights @ cells, float(weights @ ticks)))
    return rows


def _layers(
    run: SimulationRun, priced: PricedSegments, weights: NDArray[np.float64]
) -> list[BreakdownRow]:
    total = sum(priced.accounts().values())
    durations = np.array([segment.log.duration_ticks for segment in run.segments])
    rows = []
    for label in dict.fromkeys(segment.label for segment in run.segments):
        mine = weights * np.array([segment.label == label for segment in run.segments])
        rows.append(_row("layer", label, mine @ total, float(mine @ durations)))
    return rows


def _row(group: str, name: str, energy_pj: NDArray[np.float64], ticks: float) -> BreakdownRow:
    value, low, high = (float(energy) * J_PER_PJ for energy in energy_pj)
    return BreakdownRow(group, name, Interval(value, low, high), ticks / TICKS_PER_S)
