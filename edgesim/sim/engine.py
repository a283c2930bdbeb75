"""The event engine: a table of steps played by SimPy processes that contend for units and ports.

One process per lane: the host, the weight stream, each store that drains behind a product, and
softmax where it overlaps with products; all in integer picosecond ticks.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from edgesim.errors import DeadlockError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import SegmentPlan
from edgesim.sim import kernels
from edgesim.sim import steps as at
from edgesim.sim.steps import HostProgram, Played, unroll
from edgesim.sim.turns import Turns
from edgesim.units import ceil_div, period_ticks

Process = Generator[Any, Any, Any]


class SegmentEngine:
    """The lanes of one segment, and what they share."""

    def __init__(
        self, plan: SegmentPlan, program: HostProgram, chip: AcceleratorSpec,
        every_tile: bool = False,
    ) -> None:  # fmt: skip
        self.plan, self.program, self.chip, self.every_tile = plan, program, chip, every_tile
        self.env = simpy.Environment()
        self.period = period_ticks(chip.clock.frequency_hz)
        steps = [0] * (program.num_steps * at.STEP_SIZE)
        self.events = [0] * (program.num_events * at.EVENT_SIZE)
        unroll(program.parts, steps, self.events)
        rows = range(0, len(steps), at.STEP_SIZE)
        self.steps = [steps[row : row + at.STEP_SIZE] for row in rows]
        self.ticks = np.full((2, program.num_steps), at.NOT_YET, np.int64)
        self.channels = [Turns(self.env, 1) for _ in range(program.num_channels)]
        self.slots = Turns(self.env, program.stream_slots)
        held = (at.OPERAND0_PORT, at.OPERAND1_PORT, at.HOST_TURN)
        self.held = {bit: Turns(self.env, 1) for bit in held}
        self.fetches = [self.env.event() for _ in range(self._count(at.FETCH))]
        self.signals = [self.env.event() for _ in range(self._count(at.GIVE_SIGNAL))]
        self.store: simpy.Process | None = None
        self.lane: simpy.Process | None = None
        self.waiting: dict[str, str] = {}
        self.tiles, self.product_begin, self.decoded = kernels.new_state(), 0, 0

    def _count(self, kind: int) -> int:
        return sum(step[at.KIND] == kind for step in self.steps)

    def play(self) -> Played:
        """The segment played to its end. DeadlockError when work remains and nothing can move."""
        stream = self.env.process(self._lane("weight stream", self.program.lanes[0]))
        host = self.env.process(self._lane("host", 0))
        try:
            self.env.run(until=host)
        except RuntimeError as error:
            if "until" not in str(error):
                raise
            raise self._deadlock() from None
        if stream.is_alive and self.waiting:
            raise self._deadlock()
        events = np.array(self.events, np.int64).reshape(-1, at.EVENT_SIZE)
        return Played(int(self.env.now), events, self.ticks)

    def _deadlock(self) -> DeadlockError:
        stuck = "; ".join(f"{who} waits for {what}" for who, what in self.waiting.items())
        return DeadlockError(f"{self.plan.label}: simulation stuck: {stuck}")

    def _lane(self, name: str, place: int) -> Process:
        """Take steps from a place on, to the end of the lane."""
        kind = self.steps[place][at.KIND]
        while kind not in (at.END, at.LANE_END):
            if kind == at.STORE:
                yield from self._wait(name, "the store before", self.store)
                self.store = self.env.process(self._timed(place))
            elif kind <= at.AWAIT_ROWS:
                yield from self._timed(place)
            else:
                self.ticks[0, place] = self.env.now
                yield from self._untimed(name, *self.steps[place][:2])
                self.ticks[1, place] = self.env.now
            place += 1
            kind = self.steps[place][at.KIND]

    # steps that take time --------------------------------------------------------------------

    def _timed(self, place: int) -> Process:
        """A transfer or work, holding what it needs."""
        kind, number, _, _, holds = step = self.steps[place]
        if kind == at.FETCH:
            fetch = place - self.program.lanes[0]
            what = f"a free slot for {self._fetched_for(fetch)[0]}"
            yield from self._wait("weight stream", what, self.slots.take())
        held = [places for bit, places in self.held.items() if holds & bit]
        channel = [self.channels[number]] if kind <= at.STORE else []
        for places in (*held, *channel):
            turn = places.take()
            if turn is not None:
                yield turn
        yield from self._lasting(place, step)
        for places in (*channel, *held):
            places.give()
        if kind == at.FETCH:
            self.fetches[fetch].succeed()

    def _lasting(self, place: int, step: list[int]) -> Process:
        """Note when a step begins and ends."""
        kind, _, _, duration, _ = step
        now = self.ticks[0, place] = int(self.env.now)
        if kind <= at.WORK:
            yield self.env.timeout(duration)
        else:
            end = self.decoded
            if kind in (at.TILES, at.DRAIN):
                end = self._array_end(step)
            if end > now:
                yield self.env.timeout(end - now)
        self.ticks[1, place] = self.env.now
        if kind == at.DECODE_ROW:
            self.decoded = int(self.env.now) + duration
            self.ticks[:, place] = self.env.now, self.decoded

    def _array_end(self, step: list[int]) -> int:
        """When the array has fetched the last operand of a piece, or has drained."""
        pu, n = self.chip.pu, self.chip.pu.vector_size
        kind, outputs, depth, *_ = step
        if kind == at.DRAIN:
            cycle = int(self.tiles[kernels.DRAIN_END]) + pu.pipeline_fill_cycles
            return self.product_begin + cycle * self.period
        kernels.advance_tiles(
            self.tiles, outputs, depth, n, n, ceil_div(n, pu.drain_vectors_per_cycle),
            pu.operand_tile_buffers, pu.accumulator_buffers,
            ceil_div(int(self.env.now) - self.product_begin, self.period), not self.every_tile,
        )  # fmt: skip
        return self.product_begin + int(self.tiles[kernels.LOAD_END]) * self.period

    # steps that act at once or wait for another lane -----------------------------------------

    def _untimed(self, name: str, kind: int, number: int) -> Process:
        if kind == at.AWAIT_FETCH:
            yield from self._wait(*self._fetched_for(number), self.fetches[number])
        elif kind == at.AWAIT_STORE:
            yield from self._wait(name, "the last store", self.store)
        elif kind == at.AWAIT_SIGNAL:
            yield from self._wait(name, f"signal {number}", self.signals[number])
        elif kind == at.AWAIT_LANE:
            yield from self._wait(name, "softmax of the last head", self.lane)
        elif kind == at.GIVE_SLOT:
            self.slots.give()
        elif kind == at.GIVE_SIGNAL:
            self.signals[number].succeed()
        elif kind == at.BEGIN_PRODUCT:
            self.tiles, self.product_begin = kernels.new_state(), int(self.env.now)
        elif kind == at.BEGIN_ROWS:
            self.decoded = int(self.env.now)
        else:
            self.lane = self.env.process(self._lane("softmax", self.program.lanes[number]))

    def _wait(self, who: str, what: str, event: simpy.Event | None) -> Process:
        """Wait for an event, unless it has come; a deadlock report names who waits for what."""
        if event is None or event.triggered:
            return
        self.waiting[who] = what
        yield event
        del self.waiting[who]

    def _fetched_for(self, fetch: int) -> tuple[str, str]:
        """The op that a fetch of the weight stream is for, and what it brings."""
        for op in self.plan.ops:
            if op.parameter_bits and fetch == 0:
                return op.name, "its parameters"
            fetch -= op.parameter_bits > 0
            chunks = len(op.chunks) * op.weight_passes
            if fetch < chunks:
                return op.name, f"weight chunk {fetch}"
            fetch -= chunks
        raise IndexError("a fetch beyond the last op")
