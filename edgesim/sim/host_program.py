"""What the host, the weight stream and the units of a segment do, op by op, as steps."""

from __future__ import annotations

from math import ceil

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.numerics.formats import format_bits
from edgesim.sim import steps as at
from edgesim.sim.array_steps import write_product
from edgesim.sim.counts import product_counts, vector_counts
from edgesim.sim.memory import Channels
from edgesim.sim.step_writer import StepWriter
from edgesim.sim.steps import HostProgram
from edgesim.sim.vector_unit import vector_op_cycles
from edgesim.units import ceil_div


def host_program(plan: SegmentPlan, chip: AcceleratorSpec, channels: Channels) -> HostProgram:
    """The steps of a segment. `channels` are of the plan's media."""
    return SegmentWriter(plan, chip, channels).program()


class SegmentWriter:
    """The lanes of one segment: the host, softmax where it overlaps, and the weight stream."""

    def __init__(self, plan: SegmentPlan, chip: AcceleratorSpec, channels: Channels) -> None:
        self.plan, self.chip = plan, chip
        self.write = StepWriter(chip, channels)
        self.element_bits = format_bits(chip.pu.number_format)
        self.read_tables: list[str] = []
        """Table of each op that reads rows."""
        self.row_places: list[list[slice]] = []
        """Where channels, bits and what follows from them stand in the parts, for each of those."""
        self._softmax_lanes: list[tuple[int, int]] = []
        """Op of each lane of softmax, and its first signal."""
        self._num_signals = 0
        self._first_fetches = [0]
        """Number of the first fetch of each op; those of one op follow each other."""
        for op in plan.ops:
            fetches = (op.parameter_bits > 0) + len(op.chunks) * op.weight_passes
            self._first_fetches.append(self._first_fetches[-1] + fetches)

    def program(self) -> HostProgram:
        """All lanes: the host, lanes of softmax, the weight stream."""
        write = self.write
        self._host()
        write.step(at.END)
        softmax = [self._softmax(number, signal) for number, signal in self._softmax_lanes]
        stream = self._stream()
        write.end_part()
        return HostProgram(
            write.parts, write.num_steps, write.num_events, (stream, *softmax),
            self.plan.stream_slots, num_channels=len(write.channels.timing),
            concurrent=bool(write.port0 or write.port1 or softmax),
            unit_names=tuple(write.units), action_names=tuple(write.actions),
            op_names=tuple([op.name for op in self.plan.ops]),
        )  # fmt: skip

    # lanes -----------------------------------------------------------------------------------

    def _host(self) -> None:
        """Issue every op in order; consecutive ops with repeats form the per-head loop."""
        ops = self.plan.ops
        index = 0
        while index < len(ops):
            for spill in ops[index].entry_stores:
                self.write.spill(at.MOVE, index, spill, at.WRITE, spill.bits)
            stop = index
            while stop < len(ops) and ops[stop].repeats > 1 and ops[stop].unit != "fused":
                stop += 1
            if stop == index:
                self._command(index)
            elif self.chip.sfu.overlap == "per_head" and stop - index == 3:
                self._overlapping_heads(index, index + 1, index + 2)
            else:
                self._heads(range(index, stop))
            index = max(stop, index + 1)

    def _heads(self, loop: range) -> None:
        """Scores, softmax and context head by head."""
        ops = [self.plan.ops[index] for index in loop]
        heads = range(ops[0].repeats)
        if any(op.bands or op.chunks or op.table or len(op.row_blocks) > 1 for op in ops):
            for head in heads:
                for index in loop:
                    self._command(index, range(head, head + 1))
            return
        self.write.begin_repeated()
        for index in loop:
            self._command(index, heads)
        self.write.repeat(len(heads))

    def _overlapping_heads(self, scores: int, softmax: int, context: int) -> None:
        """The products of all heads; softmax of one head runs beside them in a lane of its own."""
        write, heads = self.write, self.plan.ops[scores].repeats
        signal = self._num_signals
        self._num_signals += 2 * heads
        self._softmax_lanes.append((softmax, signal))
        write.step(at.START_LANE, len(self._softmax_lanes))
        for head in range(heads + 1):
            if head < heads:
                self._command(scores, range(head, head + 1))
                write.step(at.GIVE_SIGNAL, signal + 2 * head)
            if head > 0:
                write.step(at.AWAIT_SIGNAL, signal + 2 * head - 1)
                self._command(context, range(head - 1, head))
        write.step(at.AWAIT_LANE)

    def _softmax(self, number: int, signal: int) -> int:
        """A head's softmax behind its scores, head after head; returns the lane's first step."""
        first = self.write.end_part()
        for scored in range(signal, signal + 2 * self.plan.ops[number].repeats, 2):
            self.write.step(at.AWAIT_SIGNAL, scored)
            self._command(number)
            self.write.step(at.GIVE_SIGNAL, scored + 1)
        self.write.step(at.LANE_END)
        return first

    def _stream(self) -> int:
        """Prefetch in the order of use, as far ahead as there are slots; returns the first step."""
        write = self.write
        first = write.end_part()
        for number, op in enumerate(self.plan.ops):
            if op.parameter_bits:
                channel = write.channels.numbers[op.medium]
                write.transfer(at.FETCH, number, channel, at.READ, op.parameter_bits)
            if op.chunks:
                bits = [chunk.stored_bits for chunk in op.chunks] * op.weight_passes
                channel = write.channels.numbers[op.medium]
                write.begin_repeated()
                write.transfer(at.FETCH, number, channel, at.READ, bits, write.port0)
                write.repeat(len(bits))
        write.step(at.LANE_END)
        return first

    # commands --------------------------------------------------------------------------------

    def _command(self, number: int, heads: range = range(1)) -> None:
        """Configure, start, wait for the unit, take the interrupt; of one head or of each."""
        op, host, write = self.plan.ops[number], self.chip.host, self.write
        if op.unit == "fused":
            return
        if op.unit == "exit":
            write.host_work(number, at.DECIDE, host.status_read_cycles, 1)
            return
        if op.unit == "host":
            self._host_op(number, op)
            return
        on_pu = op.unit == "pu"
        writes = host.pu_config_writes if on_pu else host.sfu_config_writes
        write.host_work(number, at.ISSUE, writes * host.config_write_cycles, writes)
        if on_pu:
            write_product(write, self.chip.pu, number, op, self._first_fetches[number], heads)
            write.counts(number, product_counts(op, self.chip, self.element_bits, heads[0]))
        else:
            self._vector(number, op)
            write.counts(number, vector_counts(op, self.chip, self.element_bits))
        interrupt = host.pu_interrupt_cycles if on_pu else host.sfu_interrupt_cycles
        write.host_work(number, at.INTERRUPT, interrupt, 1)

    def _host_op(self, number: int, op: PlannedOp) -> None:
        """An op that the chip lacks: tensors out, host cycles per element, tensor in."""
        write = self.write
        self._read_rows(number, op, None)
        for spill in op.stores:
            write.spill(at.MOVE, number, spill, at.WRITE, spill.bits)
        elements = op.rows * op.reduction * op.repeats
        cycles = ceil(elements * self.chip.host.cycles_per_element)
        write.host_work(number, at.COMPUTE, cycles, elements)
        for spill in op.loads:
            write.spill(at.MOVE, number, spill, at.READ, spill.bits)

    def _vector(self, number: int, op: PlannedOp) -> None:
        write = self.write
        for spill in op.loads:
            write.spill(at.MOVE, number, spill, at.READ, spill.bits)
        if op.parameter_bits:
            write.step(at.AWAIT_FETCH, self._first_fetches[number])
        if op.kind == "embedding":
            self._embedding(number, op)
        else:
            cycles = vector_op_cycles(self.chip, op)
            write.work(number, at.SFU_UNIT, at.BUSY, cycles, cycles, write.port1)
        if op.parameter_bits:
            write.step(at.GIVE_SLOT)
        for spill in op.stores:
            write.spill(at.MOVE, number, spill, at.WRITE, spill.bits)

    def _embedding(self, number: int, op: PlannedOp) -> None:
        """Rows that are read, then those that repeat them."""
        write = self.write
        vectors = ceil_div(op.columns, self.chip.pu.vector_size)
        write.step(at.BEGIN_ROWS)
        repeated = max(0, op.rows - self._read_rows(number, op, vectors))
        write.step(at.AWAIT_ROWS)
        cycles = repeated * vectors + self.chip.sfu.pipeline_fill_cycles
        write.work(number, at.SFU_UNIT, at.BUSY, cycles, cycles)

    def _read_rows(self, number: int, op: PlannedOp, decode_cycles: int | None) -> int:
        """Read the rows of an op's table one after another; returns how many there are.

        Decoding one row, if it is decoded on the chip, overlaps reading the next.
        """
        write = self.write
        reads = [read for read in self.plan.embedding_reads if op.table and read.table == op.table]
        if reads:
            write.begin_repeated()
            channels = [write.channels.numbers[read.medium] for read in reads]
            write.transfer(at.MOVE, number, channels, at.READ, [read.bits for read in reads])
            if decode_cycles is not None:
                write.step(at.DECODE_ROW, ticks=decode_cycles * write.period)
                write.event(at.WHOLE_STEP, at.SFU_UNIT, at.BUSY, number, decode_cycles)
            self.read_tables.append(op.table)
            self.row_places.append(write.repeat(len(reads)))
        return len(reads)
