"""The event engine: one segment played by SimPy processes that contend for units and ports.

Processes: the host issues ops and waits for interrupts; the stream prefetches weight chunks into
free slots; row and tensor transfers contend with it for the channel of their medium; PU and SFU
work; all in integer picosecond ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

import simpy

from edgesim.errors import DeadlockError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog, EventRecorder
from edgesim.ir.plan import EmbeddingRead, PlannedOp, SegmentPlan, Spill
from edgesim.numerics.formats import format_bits
from edgesim.sim.array_run import ArrayRun, Process
from edgesim.sim.artifact.program import play_programs
from edgesim.sim.counts import Count, product_counts, vector_counts
from edgesim.sim.memory import MediumTiming, medium_timing
from edgesim.sim.serial import SerialPlayer, is_serial
from edgesim.sim.turns import Turns
from edgesim.sim.vector_unit import SCHEDULES, vector_op_cycles
from edgesim.tech import Technology
from edgesim.units import ceil_div, period_ticks

__all__ = ["SCHEDULES", "SegmentEngine", "SegmentPlayer", "simulate_segment"]


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
        log = None
        if is_serial(plan, self.chip, timing):
            log = self._serial.log(plan, timing)
        if log is None:
            log = SegmentEngine(plan, self.chip, self.technology, self.every_tile).run()
        return log

    def timing(self, media: tuple[str, ...]) -> tuple[MediumTiming, ...]:
        """The timing of each of several media."""
        found = self._timings.get(media)
        if found is None:
            found = tuple([medium_timing(self.chip, self.technology, name) for name in media])
            self._timings[media] = found
        return found


class SegmentEngine:
    """The state of one segment in play."""

    def __init__(
        self, plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology,
        every_tile: bool = False,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.chip = chip
        self.every_tile = every_tile
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
        self.waiting: dict[str, str] = {}
        self.shared: dict[tuple[str, str, str], int] = {}
        """Parts of a spilled tensor that an op has moved so far."""

    def run(self) -> EventLog:
        """Play the segment to its end."""
        requests = list(self._stream_requests())
        for op_index, number, *_ in requests:
            self.ready[op_index, number] = self.env.event()
        stream = self.env.process(self._stream(requests))
        done = self.env.process(self._host_program())
        try:
            self.env.run(until=done)
        except RuntimeError as error:
            if "until" not in str(error):
                raise
            raise self._deadlock() from None
        if stream.is_alive and self.waiting:
            raise self._deadlock()
        return self.recorder.freeze(self.plan.label, int(self.env.now))

    def _deadlock(self) -> DeadlockError:
        stuck = "; ".join(f"{who} waits for {what}" for who, what in self.waiting.items())
        return DeadlockError(f"{self.plan.label}: simulation stuck: {stuck}")

    # host ------------------------------------------------------------------------------------

    def _host_program(self) -> Process:
        """Issue every op in order; consecutive ops with repeats form the per-head loop."""
        index = 0
        while index < len(self.plan.ops):
            op = self.plan.ops[index]
            for spill in op.entry_stores:
                yield from self.spill(op, spill, "write", spill.bits)
            loop = self._loop_at(index)
            if loop:
                yield from self._head_loop(loop)
            else:
                yield from self._command(index)
            index += max(1, len(loop))

    def _loop_at(self, start: int) -> list[int]:
        ops = self.plan.ops
        stop = start
        while stop < len(ops) and ops[stop].repeats > 1 and ops[stop].unit != "fused":
            stop += 1
        return list(range(start, stop))

    def _head_loop(self, loop: Sequence[int]) -> Process:
        """Scores, softmax and context head by head; with `per_head`, PU and SFU overlap."""
        heads = self.plan.ops[loop[0]].repeats
        if self.chip.sfu.overlap == "none" or len(loop) != 3:
            for head in range(heads):
                for index in loop:
                    yield from self._command(index, head)
            return
        scores, softmax, context = loop
        scored = [self.env.event() for _ in range(heads)]
        masked = [self.env.event() for _ in range(heads)]
        special = self.env.process(self._softmax_lane(softmax, scored, masked))
        for head in range(heads + 1):
            if head < heads:
                yield from self._command(scores, head)
                scored[head].succeed()
            if head > 0:
                yield from self.wait("host", f"softmax of head {head}", masked[head - 1])
                yield from self._command(context, head - 1)
        yield special

    def _softmax_lane(
        self, index: int, scored: list[simpy.Event], masked: list[simpy.Event]
    ) -> Process:
        for before, after in zip(scored, masked, strict=True):
            yield before
            yield from self._command(index)
            after.succeed()

    def _command(self, index: int, head: int = 0) -> Process:
        """Configure, start, wait for the unit, take the interrupt."""
        op = self.plan.ops[index]
        host = self.chip.host
        if op.unit == "fused":
            return
        if op.unit == "exit":
            yield from self._host_work("decide", op.name, host.status_read_cycles, 1)
            return
        if op.unit == "host":
            yield from self._host_op(op)
            return
        on_pu = op.unit == "pu"
        writes = host.pu_config_writes if on_pu else host.sfu_config_writes
        yield from self._host_work("issue", op.name, writes * host.config_write_cycles, writes)
        work = self._product(index, op, head) if on_pu else self._vector(index, op)
        yield from self._exclusive(self.pu if on_pu else self.sfu, work)
        interrupt = host.pu_interrupt_cycles if on_pu else host.sfu_interrupt_cycles
        yield from self._host_work("interrupt", op.name, interrupt, 1)

    def _host_work(self, action: str, name: str, cycles: int, count: int) -> Process:
        yield from self._exclusive(self.host, self._host_busy(action, name, cycles, count))

    def _host_busy(self, action: str, name: str, cycles: int, count: int) -> Process:
        start = self.env.now
        yield self.env.timeout(cycles * self.period)
        self._note(start, "host", action, name, count)

    def _exclusive(self, unit: Turns, work: Process) -> Process:
        """Do work on a unit that takes turns."""
        turn = unit.take()
        if turn is not None:
            yield turn
        yield from work
        unit.give()

    def _host_op(self, op: PlannedOp) -> Process:
        """An op that the chip lacks: tensors out, host cycles per element, tensor in."""
        for read in self._rows_of(op):
            yield from self._transfer(op.name, read.medium, "read", read.bits)
        for spill in op.stores:
            yield from self.spill(op, spill, "write", spill.bits)
        elements = op.rows * op.reduction * op.repeats
        cycles = ceil(elements * self.chip.host.cycles_per_element)
        yield from self._host_work("compute", op.name, cycles, elements)
        for spill in op.loads:
            yield from self.spill(op, spill, "read", spill.bits)

    def _rows_of(self, op: PlannedOp) -> list[EmbeddingRead]:
        """Rows that an embedding op reads; empty for other ops."""
        reads = self.plan.embedding_reads
        return [read for read in reads if op.table and read.table == op.table]

    # weight stream ---------------------------------------------------------------------------

    def _stream_requests(self) -> Iterable[tuple[int, int, str, int]]:
        """(op, number, medium, bits) of every chunk in the order of use."""
        for index, op in enumerate(self.plan.ops):
            if op.parameter_bits:
                yield index, 0, op.medium, op.parameter_bits
            for number in range(len(op.chunks) * op.weight_passes):
                yield index, number, op.medium, op.chunks[number % len(op.chunks)].stored_bits

    def _stream(self, requests: Sequence[tuple[int, int, str, int]]) -> Process:
        """Prefetch in order of use, as far ahead as there are free slots."""
        for op_index, number, medium, bits in requests:
            name = self.plan.ops[op_index].name
            yield from self.wait("weight stream", f"a free slot for {name}", self.slots.take())
            written = ("operand0",) if self.plan.ops[op_index].chunks else ()
            yield from self.holding(written, self._transfer(name, medium, "read", bits))
            self.ready[op_index, number].succeed()

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

    def _transfer(self, name: str, medium: str, action: str, bits: int) -> Process:
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

    # units -----------------------------------------------------------------------------------

    def _product(self, index: int, op: PlannedOp, head: int) -> Process:
        run = ArrayRun(self, op, head)
        yield from run.play(index)
        for count in product_counts(op, self.chip, self.element_bits, head):
            self._count(op, count)

    def _vector(self, index: int, op: PlannedOp) -> Process:
        for spill in op.loads:
            yield from self.spill(op, spill, "read", spill.bits)
        if op.parameter_bits:
            yield from self.wait(op.name, "its parameters", self.ready[index, 0])
        if op.kind == "embedding":
            yield from self._embedding(op)
        else:
            cycles = vector_op_cycles(self.chip, op)
            yield from self.holding(("operand1",), self._busy("sfu", op, cycles))
        if op.parameter_bits:
            self.slots.give()
        for spill in op.stores:
            yield from self.spill(op, spill, "write", spill.bits)
        for count in vector_counts(op, self.chip, self.element_bits):
            self._count(op, count)

    def _embedding(self, op: PlannedOp) -> Process:
        """Read row after row; decoding one row overlaps reading the next."""
        reads = self._rows_of(op)
        vectors = ceil_div(op.columns, self.chip.pu.vector_size)
        decoded = int(self.env.now)
        for read in reads:
            yield from self._transfer(op.name, read.medium, "read", read.bits)
            if decoded > self.env.now:
                yield self.env.timeout(decoded - self.env.now)
            start = int(self.env.now)
            decoded = start + vectors * self.period
            self.recorder.add(start, decoded, "sfu", "busy", op.name, vectors, 0)
        repeated = max(0, op.rows - len(reads))
        if decoded > self.env.now:
            yield self.env.timeout(decoded - self.env.now)
        fill = self.chip.sfu.pipeline_fill_cycles
        yield from self._busy("sfu", op, repeated * vectors + fill)

    def spill(self, op: PlannedOp, spill: Spill, action: str, bits: int) -> Process:
        """Move part of a spilled activation between its medium and the operand memories."""
        move = self._transfer(op.name, spill.medium, action, bits)
        yield from self.holding(("operand1",), move)
        side = "data_write" if action == "read" else "data_read"
        self._count(op, Count("operand1", side, 0, bits))

    def share(self, op: PlannedOp, spill: Spill, part: int, whole: int) -> int:
        """Bits of the next `part` of `whole`; over all parts they sum to the tensor's bits."""
        key = (op.name, op.kind, spill.tensor)
        done = self.shared.get(key, 0)
        self.shared[key] = done + part
        return (done + part) * spill.bits // whole - done * spill.bits // whole

    # helpers ---------------------------------------------------------------------------------

    def _busy(self, unit: str, op: PlannedOp, cycles: int) -> Process:
        start = self.env.now
        yield self.env.timeout(cycles * self.period)
        self._note(start, unit, "busy", op.name, cycles)

    def wait(self, who: str, what: str, event: simpy.Event | None) -> Process:
        """Wait for an event, unless it has come; a deadlock report names who waits for what."""
        if event is None or event.triggered:
            return
        self.waiting[who] = what
        yield event
        del self.waiting[who]

    def _note(self, start: int, unit: str, action: str, name: str, count: int) -> None:
        self.recorder.add(start, int(self.env.now), unit, action, name, count, 0)

    def _count(self, op: PlannedOp, count: Count) -> None:
        now = int(self.env.now)
        self.recorder.add(now, now, count.unit, count.action, op.name, count.count, count.bits)
