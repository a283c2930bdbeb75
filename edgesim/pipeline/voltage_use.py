"""How a run with a latency target used the operating points of its chip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.latency import VoltageSchedule
from edgesim.ir.result import PointUse, VoltageUse
from edgesim.ir.run import SimulationRun
from edgesim.sim.operating_points import CHANGE
from edgesim.units import TICKS_PER_S


def voltage_use(run: SimulationRun, segment_energy_j: NDArray[np.float64]) -> VoltageUse | None:
    """The shares that a report prints, from the nominal energy of every segment; None without a
    target."""
    schedule = run.schedule
    if schedule is None:
        return None
    count, last = len(run.sentence_segments), len(schedule.points) - 1
    weights = run.segment_counts().astype(np.float64)
    ticks = weights * np.array([segment.log.duration_ticks for segment in run.segments])
    energy = weights * segment_energy_j
    changes = np.array([segment.label == CHANGE for segment in run.segments])
    chosen = schedule.chosen[schedule.decided]
    return VoltageUse(
        latency_target_s=float(schedule.target_ticks.mean()) / TICKS_PER_S,
        lowest_fraction=_share(chosen == 0, count) if last else 0.0,
        between_fraction=_share((chosen > 0) & (chosen < last), count),
        full_speed_fraction=_share(chosen == last, count),
        first_layer_fraction=_share(~schedule.decided, count),
        missed_fraction=_share(schedule.missed, count),
        average_planned_layer=float(schedule.planned_layers.mean()),
        unsure_fraction=_share(schedule.unsure, count),
        changes_per_sentence=float(weights[changes].sum()) / count,
        change_time_s=float(ticks[changes].sum()) / count / TICKS_PER_S,
        points=_points(run, schedule, ticks / ticks.sum(), energy / energy.sum()),
    )


def _points(
    run: SimulationRun, schedule: VoltageSchedule, ticks: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> tuple[PointUse, ...]:  # fmt: skip
    count = len(run.sentence_segments)
    uses = []
    for point in schedule.points:
        mine = np.array([segment.point == point for segment in run.segments])
        if mine.any():
            ran = schedule.decided & (schedule.chosen == point.number)
            uses.append(
                PointUse(
                    point.voltage_v, point.frequency_hz, _share(ran, count),
                    float(ticks[mine].sum()), float(energy[mine].sum()),
                )
            )  # fmt: skip
    return tuple(uses)


def voltage_assumptions(run: SimulationRun) -> tuple[str, ...]:
    """What a run with a latency target rests on, as lines of a report; empty without one."""
    if run.schedule is None:
        return ()
    return (
        "layer 1 runs at full speed; the controller knows, for every length, the time that the "
        "rest takes at every operating point, and changes the point once per sentence",
        "the chip stands still while its regulator slews and its clock settles; the way back to "
        "full speed lies between sentences and is not counted",
        "the core's ports and the host follow the core's clock; memories keep their own rates, "
        "latencies and supplies",
    )


def point_lines(chip: AcceleratorSpec, run: SimulationRun) -> tuple[str, ...]:
    """The operating points that a run used, in words, slowest first."""
    if run.schedule is None:
        return (f"{chip.clock.frequency_hz / 1e9:g} GHz at {chip.clock.voltage_v:g} V",)
    used = {segment.point for segment in run.segments}
    return tuple(point.words() for point in run.schedule.points if point in used)


def _share(rows: NDArray[np.bool_], count: int) -> float:
    return float(rows.sum()) / count
