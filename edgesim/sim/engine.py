"""The event engine: one segment played by SimPy processes that contend for units and ports.

Processes: the host issues ops and waits for interrupts; the stream prefetches weight chunks into
free slots; row and tensor transfers contend with it for the channel of their medium; PU and SFU
work; all in integer picosecond ticks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import simpy

from edgesim.errors import DeadlockError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog, EventRecorder
from edgesim.ir.plan import PlannedOp, SegmentPlan, Spill, WeightChunk
from edgesim.numerics.formats import format_bits
from edgesim.sim import kernels
from edgesim.sim.counts import Count, product_counts, vector_counts
from edgesim.sim.memory import MediumTiming, medium_timing
from edgesim.sim.vector_unit import SCHEDULES, movement_cycles, program_cycles
from edgesim.tech import Technology
from edgesim.units import ceil_div, period_ticks

__all__ = ["SCHEDULES", "SegmentEngine", "simulate_segment"]

Process = Generator[Any, Any, Any]


def simulate_segment(plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> EventLog:
    """Event log of one segment. Raises DeadlockError when work remains and nothing can move."""
    return SegmentEngine(plan, chip, technology).run()


class SegmentEngine:
    """The state of one segment in play."""

    def __init__(self, plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> None:
        self.plan = plan
        self.chip = chip
        self.env = simpy.Environment()
        self.recorder = EventRecorder()
        self.period = period_ticks(chip.clock.frequency_hz)
        self.element_bits = format_bits(chip.pu.number_format)
        media = {op.medium for op in plan.ops if op.medium}
        media |= {read.medium for read in plan.embedding_reads}
        media |= {spill.medium for op in plan.ops for spill in (*op.loads, *op.stores)}
        self.timing: dict[str, MediumTiming] = {
            medium: medium_timing(chip, technology, medium) for medium in sorted(media)
        }
        self.channels = {medium: simpy.Resource(self.env, 1) for medium in sorted(media)}
        self.host = simpy.Resource(self.env, 1)
        self.pu = simpy.Resource(self.env, 1)
        self.sfu = simpy.Resource(self.env, 1)
        self.slots = simpy.Container(
            self.env, init=plan.stream_slots, capacity=max(1, plan.stream_slots)
        )
        self.ready: dict[tuple[int, int], simpy.Event] = {}
        self.waiting: dict[str, str] = {}

    def run(self) -> EventLog:
        """Play the segment to its end."""
        requests = list(self._stream_requests())
        for op_index, number, *_ in requests:
            self.ready[op_index, number] = self.env.event()
        self.env.process(self._stream(requests))
        done = self.env.process(self._host_program())
        try:
            self.env.run(until=done)
        except RuntimeError as error:
            if "until" not in str(error):
                raise
            stuck = "; ".join(f"{who} waits for {what}" for who, what in self.waiting.items())
            raise DeadlockError(f"{self.plan.label}: simulation stuck: {stuck}") from None
        return self.recorder.freeze(self.plan.label, int(self.env.now))

    # host ------------------------------------------------------------------------------------

    def _host_program(self) -> Process:
        """Issue every op in order; consecutive ops with repeats form the per-head loop."""
        index = 0
        while index < len(self.plan.ops):
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
            for _ in range(heads):
                for index in loop:
                    yield from self._command(index)
            return
        scores, softmax, context = loop
        scored = [self.env.event() for _ in range(heads)]
        masked = [self.env.event() for _ in range(heads)]
        special = self.env.process(self._softmax_lane(softmax, scored, masked))
        for head in range(heads + 1):
            if head < heads:
                yield from self._command(scores)
                scored[head].succeed()
            if head > 0:
                yield from self._wait("host", f"softmax of head {head}", masked[head - 1])
                yield from self._command(context)
        yield special

    def _softmax_lane(
        self, index: int, scored: list[simpy.Event], masked: list[simpy.Event]
    ) -> Process:
        for before, after in zip(scored, masked, strict=True):
            yield before
            yield from self._command(index)
            after.succeed()

    def _command(self, index: int) -> Process:
        """Configure, start, wait for the unit, take the interrupt."""
        op = self.plan.ops[index]
        host = self.chip.host
        for spill in op.entry_stores:
            yield from self._spill(op, spill, "write", spill.bits)
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
        yield from self._product(index, op) if on_pu else self._vector(index, op)
        interrupt = host.pu_interrupt_cycles if on_pu else host.sfu_interrupt_cycles
        yield from self._host_work("interrupt", op.name, interrupt, 1)

    def _host_work(self, action: str, name: str, cycles: int, count: int) -> Process:
        with self.host.request() as turn:
            yield turn
            start = self.env.now
            yield self.env.timeout(cycles * self.period)
            self._note(start, "host", action, name, count)

    def _host_op(self, op: PlannedOp) -> Process:
        """An op that the chip lacks: tensor out, host cycles per element, tensor in."""
        elements = op.rows * op.reduction * op.repeats
        medium = self.chip.placement.activation[-1]
        bits = elements * self.element_bits
        if medium in self.timing:
            yield from self._transfer(op.name, medium, "write", bits)
        cycles = ceil_div(int(elements * self.chip.host.cycles_per_element * 1000), 1000)
        yield from self._host_work("compute", op.name, cycles, elements)
        if medium in self.timing:
            yield from self._transfer(op.name, medium, "read", bits)

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
            yield from self._wait("weight stream", f"a free slot for {name}", self.slots.get(1))
            yield from self._transfer(name, medium, "read", bits)
            if self.plan.ops[op_index].chunks:
                self._count(self.plan.ops[op_index], Count("operand0", "data_write", 0, bits))
            self.ready[op_index, number].succeed()

    def _transfer(self, name: str, medium: str, action: str, bits: int) -> Process:
        """Hold the medium's channel for one transfer."""
        timing = self.timing[medium]
        with self.channels[medium].request() as turn:
            yield turn
            start = self.env.now
            yield self.env.timeout(timing.transfer_ticks(bits))
            end = int(self.env.now)
            self.recorder.add(start, end, "dma", "transfer", name, 1, bits)
            self.recorder.add(start, end, medium, action, name, 1, bits)
            pages = timing.pages(bits)
            if pages:
                self.recorder.add(start, start, medium, "activate", name, pages, 0)

    # units -----------------------------------------------------------------------------------

    def _product(self, index: int, op: PlannedOp) -> Process:
        with self.pu.request() as turn:
            yield turn
            run = _ArrayRun(self, op)
            yield from run.play(index)
            for count in product_counts(op, self.chip, self.element_bits):
                self._count(op, count)

    def _vector(self, index: int, op: PlannedOp) -> Process:
        with self.sfu.request() as turn:
            yield turn
            for spill in op.loads:
                yield from self._spill(op, spill, "read", spill.bits)
            if op.parameter_bits:
                yield from self._wait(op.name, "its parameters", self.ready[index, 0])
            if op.kind == "embedding":
                yield from self._embedding(op)
            else:
                cycles = self._vector_cycles(op)
                yield from self._busy("sfu", op, cycles)
            if op.parameter_bits:
                yield self.slots.put(1)
            for spill in op.stores:
                yield from self._spill(op, spill, "write", spill.bits)
            for count in vector_counts(op, self.chip, self.element_bits):
                self._count(op, count)

    def _vector_cycles(self, op: PlannedOp) -> int:
        vectors = ceil_div(op.reduction, self.chip.pu.vector_size)
        if op.kind in self.chip.sfu.programs:
            return program_cycles(self.chip.sfu, op.kind, op.rows, vectors)
        return movement_cycles(self.chip.sfu, op.rows, vectors)

    def _embedding(self, op: PlannedOp) -> Process:
        """Read row after row; decoding one row overlaps reading the next."""
        reads = [read for read in self.plan.embedding_reads if read.table == op.table]
        vectors = ceil_div(op.columns, self.chip.pu.vector_size)
        decoded = self.env.event()
        decoded.succeed()
        for read in reads:
            yield from self._transfer(op.name, read.medium, "read", read.bits)
            yield decoded
            decoded = self.env.process(self._busy("sfu", op, vectors))
        repeated = max(0, op.rows - len(reads))
        yield decoded
        fill = self.chip.sfu.pipeline_fill_cycles
        yield from self._busy("sfu", op, repeated * vectors + fill)

    def _spill(self, op: PlannedOp, spill: Spill, action: str, bits: int) -> Process:
        """Move part of a spilled activation between its medium and the operand memories."""
        yield from self._transfer(op.name, spill.medium, action, bits)
        side = "data_write" if action == "read" else "data_read"
        self._count(op, Count("operand1", side, 0, bits))

    # helpers ---------------------------------------------------------------------------------

    def _busy(self, unit: str, op: PlannedOp, cycles: int) -> Process:
        start = self.env.now
        yield self.env.timeout(cycles * self.period)
        self._note(start, unit, "busy", op.name, cycles)

    def _wait(self, who: str, what: str, event: simpy.Event) -> Process:
        self.waiting[who] = what
        yield event
        del self.waiting[who]

    def _note(self, start: int, unit: str, action: str, name: str, count: int) -> None:
        self.recorder.add(start, int(self.env.now), unit, action, name, count, 0)

    def _count(self, op: PlannedOp, count: Count) -> None:
        now = int(self.env.now)
        self.recorder.add(now, now, count.unit, count.action, op.name, count.count, count.bits)


class _ArrayRun:
    """One PU command: blocks of rows against chunks of weights on the tile pipeline."""

    def __init__(self, engine: SegmentEngine, op: PlannedOp) -> None:
        self.engine = engine
        self.op = op
        self.start = int(engine.env.now)
        self.state = kernels.new_state()
        self.store: simpy.Event | None = None

    def play(self, index: int) -> Process:
        engine, op = self.engine, self.op
        blocks = op.row_blocks
        if not op.chunks:
            yield from self._loads(1, op.repeats)
            for rows in blocks:
                yield from self._tiles(rows, ceil_div(op.columns, engine.chip.pu.vector_size))
                yield from self._store_part(rows * op.columns)
        elif op.order == "weight_blocked":
            yield from self._weight_blocked(index)
        else:
            for block, rows in enumerate(blocks):
                yield from self._loads(rows, op.rows)
                for number, chunk in enumerate(op.chunks):
                    wanted = block if op.order == "row_blocked" else 0
                    yield from self._chunk(index, wanted * len(op.chunks) + number, rows, chunk)
        yield from self._finish()

    def _chunk(self, index: int, number: int, rows: int, chunk: WeightChunk) -> Process:
        engine, op = self.engine, self.op
        yield from engine._wait(op.name, f"weight chunk {number}", engine.ready[index, number])
        yield from self._tiles(rows, chunk.column_tiles)
        yield engine.slots.put(1)
        yield from self._store_part(rows * chunk.column_tiles * engine.chip.pu.vector_size)

    def _weight_blocked(self, index: int) -> Process:
        """Weights in resident groups; the rows pass by once per group."""
        engine, op = self.engine, self.op
        passes = op.loads[0].passes if op.loads else 1
        group = ceil_div(len(op.chunks), passes)
        for first in range(0, len(op.chunks), group):
            members = op.chunks[first : first + group]
            for number in range(first, first + len(members)):
                yield from engine._wait(op.name, f"chunk {number}", engine.ready[index, number])
                yield engine.slots.put(1)
            tiles = sum(chunk.column_tiles for chunk in members)
            for rows in op.row_blocks:
                yield from self._loads(rows, op.rows)
                yield from self._tiles(rows, tiles)
                yield from self._store_part(rows * tiles * engine.chip.pu.vector_size)

    def _tiles(self, rows: int, column_tiles: int) -> Process:
        """Run the tile pipeline until the last operand of this piece is fetched."""
        engine, pu = self.engine, self.engine.chip.pu
        n = pu.vector_size
        now_cycles = (int(engine.env.now) - self.start) // engine.period
        offset = (int(engine.env.now) - self.start) % engine.period
        not_before = now_cycles + (1 if offset else 0)
        kernels.advance_tiles(
            self.state, ceil_div(rows, n) * column_tiles, ceil_div(self.op.reduction, n), n, n,
            ceil_div(n, pu.drain_vectors_per_cycle), pu.operand_tile_buffers,
            pu.accumulator_buffers, not_before, True,
        )  # fmt: skip
        yield from self._until(int(self.state[kernels.LOAD_END]))

    def _until(self, cycle: int) -> Process:
        engine = self.engine
        begin = int(engine.env.now)
        end = self.start + cycle * engine.period
        if end > begin:
            yield engine.env.timeout(end - begin)
            cycles = (end - begin) // engine.period
            engine.recorder.add(begin, end, "pu", "busy", self.op.name, cycles, 0)

    def _finish(self) -> Process:
        """Let the last output tile drain; a store must have left before the interrupt."""
        fill = self.engine.chip.pu.pipeline_fill_cycles
        yield from self._until(int(self.state[kernels.DRAIN_END]) + fill)
        if self.store is not None:
            yield from self.engine._wait(self.op.name, "its last store", self.store)

    def _loads(self, part: int, whole: int) -> Process:
        """Bring this block's share of every spilled input."""
        for spill in self.op.loads:
            share = ceil_div(spill.bits * part, whole)
            yield from self.engine._spill(self.op, spill, "read", share)

    def _store_part(self, elements: int) -> Process:
        """Send this piece's share of a spilled output; one store may be under way."""
        op = self.op
        total = op.rows * op.columns * op.repeats
        for spill in op.stores:
            if self.store is not None:
                yield from self.engine._wait(op.name, "the store before", self.store)
            bits = ceil_div(spill.bits * min(elements, total), total)
            process = self.engine._spill(op, spill, "write", bits)
            self.store = self.engine.env.process(process)
