"""Operating points of a chip, and the change from one to another as events."""

from __future__ import annotations

import re
from itertools import pairwise

from edgesim.errors import ChipError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog, EventRecorder
from edgesim.ir.latency import OperatingPoint
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.tech import Technology

CHANGE = "voltage change"
"""Label of the segment, and name and kind of its op."""
SUPPLY_UNIT = "supply"
SLEW = "ldo.slew_ns_per_v"
SETTLING = "adpll.settling_ns"
HZ_PER_MHZ = 1e6
MV_PER_V = 1000


def operating_points(
    chip: AcceleratorSpec, technology: Technology
) -> tuple[tuple[OperatingPoint, ...], tuple[str, ...]]:
    """The chip's points, slowest first, and the technology entries behind them.

    The last is the chip's own clock; pairs that are not slower and at a lower supply are left
    out. Raises ChipError for a chip without pairs or with a table that does not exist.
    """
    scaling = chip.voltage_scaling
    if scaling is None or (scaling.table is None and not scaling.pairs):
        raise ChipError(
            f"{chip.name} has no voltage-frequency pairs, so it cannot follow a latency target; "
            "give it voltage_scaling.table or voltage_scaling.pairs"
        )
    pairs, entries = _pairs(chip, technology)
    clock = chip.clock
    slower = [pair for pair in pairs if _below_clock(chip, pair)]
    points = tuple(
        OperatingPoint(number, voltage_v, frequency_hz)
        for number, (voltage_v, frequency_hz) in enumerate(
            [*slower, (clock.voltage_v, clock.frequency_hz)]
        )
    )
    return points, entries


def pairs_left_out(chip: AcceleratorSpec, technology: Technology) -> tuple[str, ...]:
    """Pairs that a chip cannot use, as they are not below its own clock, in words."""
    own = (chip.clock.voltage_v, chip.clock.frequency_hz)
    pairs, _ = _pairs(chip, technology)
    return tuple(
        OperatingPoint(0, *pair).words()
        for pair in pairs
        if pair != own and not _below_clock(chip, pair)
    )


def _below_clock(chip: AcceleratorSpec, pair: tuple[float, float]) -> bool:
    return pair[0] < chip.clock.voltage_v and pair[1] < chip.clock.frequency_hz


def _pairs(
    chip: AcceleratorSpec, technology: Technology
) -> tuple[list[tuple[float, float]], tuple[str, ...]]:
    """The chip's pairs, (volts, hertz), and the entries of a table that they come from."""
    scaling = chip.voltage_scaling
    assert scaling is not None
    if scaling.pairs:
        return [(pair.voltage_v, pair.frequency_hz) for pair in scaling.pairs], ()
    found = _table(chip, technology, str(scaling.table))
    return [(voltage_v, frequency_hz) for voltage_v, frequency_hz, _ in found], tuple(
        entry for *_, entry in found
    )


def _table(
    chip: AcceleratorSpec, technology: Technology, table: str
) -> list[tuple[float, float, str]]:
    """(volts, hertz, entry id) of a table, lowest voltage first."""
    pattern = re.compile(r"^voltage_frequency\.(\w+?)_(\d+)_mv\.frequency_mhz$")
    matches = [m for entry in technology if (m := pattern.match(entry.id))]
    found = [
        (int(m[2]) / MV_PER_V, technology.value(m[0]) * HZ_PER_MHZ, m[0])
        for m in matches
        if m[1] == table
    ]
    if not found:
        known = ", ".join(sorted({m[1] for m in matches}))
        raise ChipError(
            f"{chip.name}: voltage_scaling.table: got {table!r}; allowed: {known}, or own "
            "voltage_scaling.pairs"
        )
    rising = sorted(found)
    for (low_v, low_hz, _), (high_v, high_hz, _) in pairwise(rising):
        if high_hz <= low_hz:
            raise ChipError(
                f"voltage table {table}: {high_v:g} V does not clock faster than {low_v:g} V"
            )
    return rising


def change_ticks(before: OperatingPoint, after: OperatingPoint, technology: Technology) -> int:
    """Ticks in which the chip stands still while supply and clock move to another point."""
    if before == after:
        return 0
    slew = technology.value(SLEW) * abs(after.voltage_v - before.voltage_v)
    return round(1000 * slew) + round(1000 * technology.value(SETTLING))


def change_log(before: OperatingPoint, after: OperatingPoint, technology: Technology) -> EventLog:
    """The change as events: the regulator slews, then the clock generator settles."""
    total = change_ticks(before, after, technology)
    slewed = total - round(1000 * technology.value(SETTLING))
    recorder = EventRecorder()
    recorder.add(0, slewed, SUPPLY_UNIT, "slew", CHANGE, 1)
    recorder.add(slewed, total, SUPPLY_UNIT, "settle", CHANGE, 1)
    return recorder.freeze(CHANGE, total)


def change_plan(num_tokens: int) -> SegmentPlan:
    """The plan that stands beside a change: nothing is computed or moved."""
    op = PlannedOp(CHANGE, "voltage_change", SUPPLY_UNIT, 0, 0, 0)
    return SegmentPlan(CHANGE, 1, num_tokens, (op,))
