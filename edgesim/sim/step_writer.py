"""Writing a host program: work, transfers, and the events that each step stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import sub
from typing import Any

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import Spill
from edgesim.sim import steps as at
from edgesim.sim.counts import Count
from edgesim.sim.memory import Channels
from edgesim.units import period_ticks

Number = int | Sequence[int]
"""A number, or, in a part that is repeated, one for each time."""


class StepWriter:
    """Appends steps, and the events that each stands for, in the order in which lanes take them."""

    def __init__(self, chip: AcceleratorSpec, channels: Channels) -> None:
        self.parts: list[int] = []
        """Finished parts, as `edgesim.sim.unrolling` reads them."""
        self.num_steps = self.num_events = 0
        """Of the finished parts, repetitions included."""
        self.units = {name: i for i, name in enumerate((*at.UNIT_NAMES, *channels.numbers))}
        self.actions = {name: number for number, name in enumerate(at.ACTION_NAMES)}
        self.channels = channels
        self.period = period_ticks(chip.clock.frequency_hz)
        ports = (chip.buffers.operand0.ports, chip.buffers.operand1.ports)
        self.port0, self.port1 = ((kind == "1RW") << i for i, kind in enumerate(ports))
        """HOLDS bit of an operand memory; 0 for one in two halves, which needs no turns."""
        self._shares: dict[int, int] = {}
        """Parts of a spilled tensor that were moved so far, by identity of the spill."""
        self._begin()

    # parts -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._steps: list[Any] = []
        self._events: list[Any] = []
        self._last = -1
        """Number of the last step, from the begin of the part."""
        self._repeated = False

    def end_part(self) -> int:
        """Finish a part that is not repeated; returns the number of the next step."""
        assert not self._repeated, "a repeated part holds no other parts"
        if self._last >= 0:
            self._finish(1, [])
        return self.num_steps

    def begin_repeated(self) -> None:
        """Begin a part that `repeat` finishes."""
        self.end_part()
        self._repeated = True

    def repeat(self, times: int) -> list[slice]:
        """Finish a repeated part; returns where each of its sequences stands in `parts`."""
        rows = self._steps + self._events
        varied = [(i, entry) for i, entry in enumerate(rows) if entry.__class__ is not int]
        return self._finish(times, varied)

    def _finish(self, times: int, varied: Sequence[tuple[int, Sequence[int]]]) -> list[slice]:
        steps, events = self._last + 1, len(self._events) // at.EVENT_SIZE
        self.parts += (times, steps, events, len(varied))
        first = len(self.parts)
        self.parts += self._steps
        self.parts += self._events
        places = []
        for place, numbers in varied:
            self.parts[first + place] = 0
            self.parts.append(place)
            places.append(slice(len(self.parts), len(self.parts) + times))
            self.parts += numbers
        self.num_steps += times * steps
        self.num_events += times * events
        self._begin()
        return places

    # steps and events ------------------------------------------------------------------------

    def step(
        self, kind: int, place: Number = 0, number: Number = 0, ticks: Number = 0, holds: int = 0
    ) -> None:
        """Append a step."""
        self._steps += (kind, place, number, ticks, holds)
        self._last += 1

    def event(
        self, when: int, unit: int, action: int, op: int, count: int = 0, bits: Number = 0
    ) -> None:
        """Let the last step stand for an event."""
        self._events += (self._last, when, unit, action, op, count, bits)

    def work(
        self, op: int, unit: int, action: int, cycles: int, count: int, holds: int = 0
    ) -> None:
        """A unit does an action for some cycles."""
        self.step(at.WORK, 0, 0, cycles * self.period, holds)
        self.event(at.WHOLE_STEP, unit, action, op, count)

    def host_work(self, op: int, action: int, cycles: int, count: int) -> None:
        """The host does an action for some cycles."""
        self.work(op, at.HOST_UNIT, action, cycles, count, at.HOST_TURN)

    def counts(self, op: int, counts: Iterable[Count]) -> None:
        """What has been done when the last step ends."""
        last, units, actions, events = self._last, self.units, self.actions, self._events
        for unit, action, count, bits in counts:
            number = actions.setdefault(action, len(actions))
            events += (last, at.AT_END, units[unit], number, op, count, bits)

    def transfer(
        self, kind: int, op: int, channel: Number, action: int, bits: Number, holds: int = 0
    ) -> None:
        """A step that moves data through a channel; one of many channels if bits are many too."""
        known = self.channels.writes if action == at.WRITE else self.channels.reads
        ticks: Number
        pages: Number
        unit: Number
        if isinstance(channel, int):
            unit = at.FIRST_MEDIUM + channel
            if isinstance(bits, int):
                ticks, pages = known[channel][bits]
            else:
                ticks, pages = zip(*map(known[channel].__getitem__, bits), strict=True)
        else:
            assert not isinstance(bits, int)
            unit = [at.FIRST_MEDIUM + number for number in channel]
            pairs = [known[number][size] for number, size in zip(channel, bits, strict=True)]
            ticks, pages = zip(*pairs, strict=True)
        self.step(kind, channel, 0, ticks, holds)
        last = self._last
        self._events += (
            last, at.WHOLE_STEP, at.DMA_UNIT, at.TRANSFER, op, 1, bits,
            last, at.WHOLE_STEP, unit, action, op, 1, bits,
        )  # fmt: skip
        if any(pages) if isinstance(pages, tuple) else pages:
            self._events += (last, at.PAGES_OPENED, unit, at.ACTIVATE, op, pages, 0)

    def spill(self, kind: int, op: int, spill: Spill, action: int, bits: Number) -> None:
        """A transfer of part of an activation between its medium and the operand memories."""
        self.transfer(kind, op, self.channels.numbers[spill.medium], action, bits, self.port1)
        side = at.DATA_WRITE if action == at.READ else at.DATA_READ
        self.event(at.AT_END, at.OPERAND1_UNIT, side, op, 0, bits)

    def shares(self, spill: Spill, parts: Sequence[int], whole: int) -> list[int]:
        """Bits of each of the next `parts` of `whole`; over all parts they sum to the tensor's."""
        done = list(accumulate(parts, initial=self._shares.get(id(spill), 0)))
        self._shares[id(spill)] = done[-1]
        moved = [part * spill.bits // whole for part in done]
        return list(map(sub, moved[1:], moved))


def one_or_all(numbers: list[int]) -> Number:
    """The number of a part that is not repeated, else one for each time."""
    return numbers[0] if len(numbers) == 1 else numbers
