"""Who plays a segment: command lists, the compiled engine, or the event engine."""

from __future__ import annotations

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.sim.artifact.program import play_programs
from edgesim.sim.engine import SegmentEngine
from edgesim.sim.host_program import host_program
from edgesim.sim.memory import Channels, MediumTiming, medium_timing
from edgesim.sim.prologue_programs import ProloguePrograms
from edgesim.sim.step_kernel import play_serial
from edgesim.tech import Technology
from edgesim.units import period_ticks


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
        self._prologues = ProloguePrograms(chip)
        self._channels: dict[tuple[str, ...], Channels] = {}

    def log(self, plan: SegmentPlan) -> EventLog:
        """Event log of a segment. DeadlockError when work remains and nothing can move."""
        if plan.programs:
            return play_programs(plan, self.chip, self.technology)
        channels = self.channels(plan.media)
        if plan.embedding_reads:
            program = self._prologues.program(plan, channels)
        else:
            program = host_program(plan, self.chip, channels)
        played = None if program.concurrent else play_serial(program, self.chip, self.every_tile)
        if played is None:
            played = SegmentEngine(plan, program, self.chip, self.every_tile).play()
        period = period_ticks(self.chip.clock.frequency_hz)
        return program.log(plan.label, played, period)

    def timing(self, media: tuple[str, ...]) -> tuple[MediumTiming, ...]:
        """The timing of each of several media."""
        return self.channels(media).timing

    def channels(self, media: tuple[str, ...]) -> Channels:
        """The channels of several media."""
        known = self._channels.get(media)
        if known is None:
            timing = [medium_timing(self.chip, self.technology, medium) for medium in media]
            known = self._channels[media] = Channels(timing)
        return known
