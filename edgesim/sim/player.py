"""Who plays a segment: command lists, the compiled serial engine, or the event engine."""

from __future__ import annotations

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.sim.artifact.program import play_programs
from edgesim.sim.engine import SegmentEngine
from edgesim.sim.memory import MediumTiming, medium_timing
from edgesim.sim.serial import SerialPlayer, is_serial
from edgesim.tech import Technology


def simulate_segment(
    plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology, every_tile: bool = False
) -> EventLog:
    """Event log of one segment, as `SegmentPlayer` plays it."""
    return SegmentPlayer(chip, technology, every_tile).log(plan)


class SegmentPlayer:
    """Plays segments on one chip; what plans have in common is looked up once.

    A segment whose commands follow each other is played by the compiled engine, which gives the
    same log; `every_tile` plays the steady state of the tile pipeline too instead of skipping it.
    """

    def __init__(
        self, chip: AcceleratorSpec, technology: Technology, every_tile: bool = False
    ) -> None:
        self.chip, self.technology, self.every_tile = chip, technology, every_tile
        self._serial = SerialPlayer(chip, every_tile)
        self._timings: dict[tuple[str, ...], tuple[MediumTiming, ...]] = {}

    def log(self, plan: SegmentPlan) -> EventLog:
        """Event log of a segment. DeadlockError when work remains and nothing can move."""
        if plan.programs:
            return play_programs(plan, self.chip, self.technology)
        timing = self.timing(plan.media)
        log = self._serial.log(plan, timing) if is_serial(plan, self.chip, timing) else None
        if log is not None:
            return log
        return SegmentEngine(plan, self.chip, self.technology, self.every_tile).run()

    def timing(self, media: tuple[str, ...]) -> tuple[MediumTiming, ...]:
        """The timing of each of several media."""
        found = self._timings.get(media)
        if found is None:
            found = tuple([medium_timing(self.chip, self.technology, name) for name in media])
            self._timings[media] = found
        return found
