"""What a segment in play shares: units and ports that take turns, media channels, the event log."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import simpy

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventRecorder
from edgesim.ir.plan import PlannedOp, SegmentPlan, Spill
from edgesim.numerics.formats import format_bits
from edgesim.sim.counts import Count
from edgesim.sim.memory import MediumTiming, medium_timing
from edgesim.sim.turns import Turns
from edgesim.tech import Technology
from edgesim.units import period_ticks

Process = Generator[Any, Any, Any]


class SegmentState:
    """The units, memories and events of one segment, and how processes use them."""

    def __init__(self, plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> None:
        self.env = simpy.Environment()
        self.recorder = EventRecorder()
        self.period = period_ticks(chip.clock.frequency_hz)
        self.element_bits = format_bits(chip.pu.number_format)
        self.timing: dict[str, MediumTiming] = {
            medium: medium_timing(chip, technology, medium) for medium in plan.media
        }
        self.channels = {medium: Turns(self.env, 1) for medium in plan.media}
        self.host = Turns(self.env, 1)
        self.pu = Turns(self.env, 1)
        self.sfu = Turns(self.env, 1)
        memories = (("operand0", chip.buffers.operand0), ("operand1", chip.buffers.operand1))
        self.ports = {name: Turns(self.env, 1) for name, m in memories if m.ports == "1RW"}
        """Single ports; a 1R1W memory in two halves needs no turns."""
        self.slots = Turns(self.env, plan.stream_slots)
        self.ready: dict[tuple[int, int], simpy.Event] = {}
        """Arrival of every weight chunk, by op and number."""
        self.waiting: dict[str, str] = {}
        self.shared: dict[int, int] = {}
        """Parts of a spilled tensor that an op has moved so far."""

    def exclusive(self, unit: Turns, work: Process) -> Process:
        """Do work on a unit that takes turns."""
        turn = unit.take()
        if turn is not None:
            yield turn
        yield from work
        unit.give()

    def holding(self, memories: Iterable[str], work: Process) -> Process:
        """Do work while nothing else uses the single ports of these memories."""
        ports = [self.ports[name] for name in memories if name in self.ports]
        return self._taking_turns(ports, work) if ports else work

    def _taking_turns(self, ports: Sequence[Turns], work: Process) -> Process:
        for port in ports:
            turn = port.take()
            if turn is not None:
                yield turn
        yield from work
        for port in ports:
            port.give()

    def transfer(self, name: str, medium: str, action: str, bits: int) -> Process:
        """Hold the medium's channel for one transfer."""
        timing = self.timing[medium]
        channel = self.channels[medium]
        turn = channel.take()
        if turn is not None:
            yield turn
        start = int(self.env.now)
        yield self.env.timeout(timing.transfer_ticks(bits, action == "write"))
        channel.give()
        end = int(self.env.now)
        self.recorder.add(start, end, "dma", "transfer", name, 1, bits)
        self.recorder.add(start, end, medium, action, name, 1, bits)
        pages = timing.pages(bits)
        if pages:
            self.recorder.add(start, start, medium, "activate", name, pages, 0)

    def spill(self, op: PlannedOp, spill: Spill, action: str, bits: int) -> Process:
        """Move part of a spilled activation between its medium and the operand memories."""
        move = self.transfer(op.name, spill.medium, action, bits)
        yield from self.holding(("operand1",), move)
        side = "data_write" if action == "read" else "data_read"
        self.count(op, Count("operand1", side, 0, bits))

    def share(self, op: PlannedOp, spill: Spill, part: int, whole: int) -> int:
        """Bits of the next `part` of `whole`; over all parts they sum to the tensor's bits."""
        key = id(spill)
        done = self.shared.get(key, 0)
        self.shared[key] = done + part
        return (done + part) * spill.bits // whole - done * spill.bits // whole

    def busy(
        self, unit: str, name: str, cycles: int, action: str = "busy", count: int | None = None
    ) -> Process:
        """Keep a unit at work on an op for some cycles; the event counts them, or `count`."""
        start = int(self.env.now)
        yield self.env.timeout(cycles * self.period)
        number = cycles if count is None else count
        self.recorder.add(start, int(self.env.now), unit, action, name, number, 0)

    def wait(self, who: str, what: str, event: simpy.Event | None) -> Process:
        """Wait for an event, unless it has come; a deadlock report names who waits for what."""
        if event is None or event.triggered:
            return
        self.waiting[who] = what
        yield event
        del self.waiting[who]

    def count(self, op: PlannedOp, count: Count) -> None:
        """Note accesses or operations of an op, now."""
        now = int(self.env.now)
        self.recorder.add(now, now, count.unit, count.action, op.name, count.count, count.bits)
