"""The slow twin of host programs: a segment played by SimPy op by op, straight from its plan.

Processes: the host issues ops and waits for interrupts; the stream prefetches weight chunks into
free slots; row and tensor transfers contend with it for the channel of their medium; PU and SFU
work; all in integer picosecond ticks. It derives the schedule without `edgesim.sim.host_program`
and plays it without `edgesim.sim.engine`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

import simpy

from edgesim.errors import DeadlockError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import EmbeddingRead, PlannedOp, SegmentPlan
from edgesim.sim.counts import product_counts, vector_counts
from edgesim.sim.vector_unit import vector_op_cycles
from edgesim.tech import Technology
from edgesim.units import ceil_div
from twins.array_run import ArrayRun
from twins.segment_state import Process, SegmentState


class SegmentTwin:
    """The processes of one segment: host, weight stream and units."""

    def __init__(
        self, plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology,
        every_tile: bool = False,
    ) -> None:  # fmt: skip
        self.plan, self.chip, self.every_tile = plan, chip, every_tile
        self.state = SegmentState(plan, chip, technology)
        self.env = self.state.env

    def run(self) -> EventLog:
        """Play the segment to its end."""
        requests = list(self._stream_requests())
        for op_index, number, *_ in requests:
            self.state.ready[op_index, number] = self.env.event()
        stream = self.env.process(self._stream(requests))
        done = self.env.process(self._host_program())
        try:
            self.env.run(until=done)
        except RuntimeError as error:
            if "until" not in str(error):
                raise
            raise self._deadlock() from None
        if stream.is_alive and self.state.waiting:
            raise self._deadlock()
        return self.state.recorder.freeze(self.plan.label, int(self.env.now))

    def _deadlock(self) -> DeadlockError:
        stuck = "; ".join(f"{who} waits for {what}" for who, what in self.state.waiting.items())
        return DeadlockError(f"{self.plan.label}: simulation stuck: {stuck}")

    # host ------------------------------------------------------------------------------------

    def _host_program(self) -> Process:
        """Issue every op in order; consecutive ops with repeats form the per-head loop."""
        index = 0
        while index < len(self.plan.ops):
            op = self.plan.ops[index]
            for spill in op.entry_stores:
                yield from self.state.spill(op, spill, "write", spill.bits)
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
                yield from self.state.wait("host", f"softmax of head {head}", masked[head - 1])
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
        yield from self.state.exclusive(self.state.pu if on_pu else self.state.sfu, work)
        interrupt = host.pu_interrupt_cycles if on_pu else host.sfu_interrupt_cycles
        yield from self._host_work("interrupt", op.name, interrupt, 1)

    def _host_work(self, action: str, name: str, cycles: int, count: int) -> Process:
        state = self.state
        yield from state.exclusive(state.host, state.busy("host", name, cycles, action, count))

    def _host_op(self, op: PlannedOp) -> Process:
        """An op that the chip lacks: tensors out, host cycles per element, tensor in."""
        for read in self._rows_of(op):
            yield from self.state.transfer(op.name, read.medium, "read", read.bits)
        for spill in op.stores:
            yield from self.state.spill(op, spill, "write", spill.bits)
        elements = op.rows * op.reduction * op.repeats
        cycles = ceil(elements * self.chip.host.cycles_per_element)
        yield from self._host_work("compute", op.name, cycles, elements)
        for spill in op.loads:
            yield from self.state.spill(op, spill, "read", spill.bits)

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
        state = self.state
        for op_index, number, medium, bits in requests:
            name = self.plan.ops[op_index].name
            slot = state.slots.take()
            yield from state.wait("weight stream", f"a free slot for {name}", slot)
            written = ("operand0",) if self.plan.ops[op_index].chunks else ()
            yield from state.holding(written, state.transfer(name, medium, "read", bits))
            state.ready[op_index, number].succeed()

    # units -----------------------------------------------------------------------------------

    def _product(self, index: int, op: PlannedOp, head: int) -> Process:
        run = ArrayRun(self.state, self.chip.pu, op, head, self.every_tile)
        yield from run.play(index)
        for count in product_counts(op, self.chip, self.state.element_bits, head):
            self.state.count(op, count)

    def _vector(self, index: int, op: PlannedOp) -> Process:
        for spill in op.loads:
            yield from self.state.spill(op, spill, "read", spill.bits)
        if op.parameter_bits:
            yield from self.state.wait(op.name, "its parameters", self.state.ready[index, 0])
        if op.kind == "embedding":
            yield from self._embedding(op)
        else:
            cycles = vector_op_cycles(self.chip, op)
            yield from self.state.holding(("operand1",), self.state.busy("sfu", op.name, cycles))
        if op.parameter_bits:
            self.state.slots.give()
        for spill in op.stores:
            yield from self.state.spill(op, spill, "write", spill.bits)
        for count in vector_counts(op, self.chip, self.state.element_bits):
            self.state.count(op, count)

    def _embedding(self, op: PlannedOp) -> Process:
        """Read row after row; decoding one row overlaps reading the next."""
        reads = self._rows_of(op)
        vectors = ceil_div(op.columns, self.chip.pu.vector_size)
        decoded = int(self.env.now)
        for read in reads:
            yield from self.state.transfer(op.name, read.medium, "read", read.bits)
            if decoded > self.env.now:
                yield self.env.timeout(decoded - self.env.now)
            start = int(self.env.now)
            decoded = start + vectors * self.state.period
            self.state.recorder.add(start, decoded, "sfu", "busy", op.name, vectors, 0)
        repeated = max(0, op.rows - len(reads))
        if decoded > self.env.now:
            yield self.env.timeout(decoded - self.env.now)
        fill = self.chip.sfu.pipeline_fill_cycles
        yield from self.state.busy("sfu", op.name, repeated * vectors + fill)
