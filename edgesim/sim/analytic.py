"""The analytic twin: a segment's ticks by recurrences over chunks, without events.

It shares no timing code with the event engine. It knows the weight stream as the only client of a
channel and ignores every wait for a port: without contention (nothing spilled, no host op beside
the stream, 1R1W memories, two tile and accumulator buffers, heads one after another) it equals the
engine to the tick, with contention it is a lower bound. Fetch, MAC pass and drain of a tile take n
cycles each at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from edgesim.hw.spec import AcceleratorSpec, SfuSpec, storage_family
from edgesim.ir.plan import PlannedOp, SegmentPlan
from edgesim.sim.artifact.total import programs_ticks
from edgesim.tech import Technology, medium_of


@dataclass
class _Stream:
    """Arrival and release of the weight chunks, in order of use."""

    slots: int
    arrived: int = 0
    released: list[int] = field(default_factory=list)
    count: int = 0

    def fetch(self, transfer_ticks: int) -> int:
        """Arrival of the next chunk: after the one before, into a slot that is free."""
        place = self.count - self.slots
        if place >= 0 and self.released[place] > self.arrived:
            self.arrived = self.released[place]
        self.arrived += transfer_ticks
        self.count += 1
        return self.arrived


def segment_ticks(plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> int:
    """Ticks from the first configuration write to the last interrupt of a segment."""
    return schedule_ticks(plan, chip, technology, [chip.sfu])[0]


def schedule_ticks(
    plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology, sfus: Sequence[SfuSpec]
) -> list[int]:
    """`segment_ticks` with each of several special function units in the chip's place."""
    if plan.programs:
        return programs_ticks(plan, chip, technology, sfus)
    analysis = _Analysis(plan, chip, technology)
    return [analysis.total(sfu) for sfu in sfus]


class _Analysis:
    def __init__(self, plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> None:
        self.plan, self.chip, self.technology = plan, chip, technology
        self.tick = round(1e12 / chip.clock.frequency_hz)
        self.media: dict[str, tuple[int, int | None, int]] = {}
        self.products: dict[int, list[tuple[int, int]]] = {}
        """What `_pieces` found, by identity of the op: no special function unit changes it."""
        self._begin(chip.sfu)

    def _begin(self, sfu: SfuSpec) -> None:
        self.sfu = sfu
        self.stream = _Stream(self.plan.stream_slots)
        self.now = 0

    def total(self, sfu: SfuSpec) -> int:
        """Ticks of the segment with a special function unit."""
        self._begin(sfu)
        ops = self.plan.ops
        index = 0
        while index < len(ops):
            for spill in ops[index].entry_stores:
                self.now += self._write(spill.medium, spill.bits)
            parts = tuple(op.facts.heads for op in ops[index : index + 3])
            overlap = self.sfu.overlap == "per_head" and ops[index].repeats > 1
            if overlap and parts == ("split", "inside", "join"):
                self._overlapped_heads(ops[index : index + 3])
                index += 3
                continue
            self._heads(ops[index])
            index += 1
        return self.now

    def _heads(self, op: PlannedOp) -> None:
        """An op head after head; where no head differs and nothing is streamed, one says all."""
        if op.bands or op.chunks or op.parameter_bits:
            for head in range(op.repeats):
                self._op(op, head)
            return
        start = self.now
        self._op(op)
        self.now += (op.repeats - 1) * (self.now - start)

    def _overlapped_heads(self, loop: Sequence[PlannedOp]) -> None:
        """A lower bound: the busier of both units, with the other's part that nothing hides."""
        start = self.now
        lengths: list[list[int]] = []
        for op in loop:
            lengths.append([])
            for head in range(op.repeats):
                before = self.now
                self._op(op, head)
                lengths[-1].append(self.now - before)
        scores, softmax, context = lengths
        ends = min(scores) + sum(softmax) + min(context)
        self.now = start + max(sum(scores) + sum(context), ends)

    def _op(self, op: PlannedOp, head: int = 0) -> None:
        host = self.chip.host
        if op.unit == "fused":
            return
        if op.unit == "exit":
            self.now += host.status_read_cycles * self.tick
            return
        if op.unit == "host":
            self._host(op)
            return
        writes = host.pu_config_writes if op.unit == "pu" else host.sfu_config_writes
        self.now += writes * host.config_write_cycles * self.tick
        if op.unit == "pu":
            self._product(op, head)
            self.now += host.pu_interrupt_cycles * self.tick
        else:
            self._vector(op)
            self.now += host.sfu_interrupt_cycles * self.tick

    def _host(self, op: PlannedOp) -> None:
        elements = op.rows * op.reduction * op.repeats
        reads = (r for r in self.plan.embedding_reads if op.table and r.table == op.table)
        self.now += sum(self._move(read.medium, read.bits) for read in reads)
        self.now += sum(self._write(store.medium, store.bits) for store in op.stores)
        self.now += sum(self._move(load.medium, load.bits) for load in op.loads)
        self.now += ceil(elements * self.chip.host.cycles_per_element) * self.tick

    def _product(self, op: PlannedOp, head: int) -> None:
        n = self.chip.pu.vector_size
        self._load_share(op)
        known = self.products.get(id(op))
        if known is None:
            known = self.products[id(op)] = self._pieces(op)
        if op.order == "weight_blocked":
            self._weight_blocked(op, known)
            return
        drain = ceil(n / self.chip.pu.drain_vectors_per_cycle)
        tail = (n + drain + self.chip.pu.pipeline_fill_cycles) * self.tick
        span = op.bands[head] if op.bands else None
        if span is not None:
            self.now += _band_tiles(op, span, n) * n * self.tick + tail
            return
        fetched = self.now
        for block, rows in enumerate(op.row_blocks):
            row_tiles = ceil(rows / n)
            if not op.chunks or (block > 0 and op.order != "row_blocked"):
                fetched += row_tiles * sum(compute_ticks for compute_ticks, _ in known)
                continue
            for compute_ticks, transfer_ticks in known:
                fetched = max(fetched, self.stream.fetch(transfer_ticks))
                fetched += row_tiles * compute_ticks
                self.stream.released.append(fetched)
        self.now = fetched + tail

    def _pieces(self, op: PlannedOp) -> list[tuple[int, int]]:
        """Ticks of one row of tiles and ticks of the transfer, of every chunk of a product."""
        n = self.chip.pu.vector_size
        ticks = ceil(op.reduction / n) * n * self.tick
        if not op.chunks:
            return [(ceil(op.columns / n) * ticks, 0)]
        return [(c.column_tiles * ticks, self._move(op.medium, c.stored_bits)) for c in op.chunks]

    def _weight_blocked(self, op: PlannedOp, pieces: Sequence[tuple[int, int]]) -> None:
        """A lower bound: compute alone, or the stream alone, whichever is longer."""
        n = self.chip.pu.vector_size
        rows = sum(ceil(r / n) for r in op.row_blocks)
        for _, transfer_ticks in pieces:
            self.stream.released.append(self.stream.fetch(transfer_ticks))
        self.now += rows * sum(compute_ticks for compute_ticks, _ in pieces)

    def _load_share(self, op: PlannedOp) -> None:
        """The first block's spilled inputs, which nothing can hide."""
        if op.loads and op.chunks and op.order != "weight_blocked":
            part = op.row_blocks[0] / op.rows
            self.now += sum(self._move(s.medium, int(s.bits * part)) for s in op.loads)

    def _vector(self, op: PlannedOp) -> None:
        if op.parameter_bits:
            arrived = self.stream.fetch(self._move(op.medium, op.parameter_bits))
            self.now = max(self.now, arrived)
        if op.table:
            self._embedding(op)
        else:
            self.now += _vector_cycles(self.sfu, self.chip.pu.vector_size, op) * self.tick
        if op.parameter_bits:
            self.stream.released.append(self.now)

    def _embedding(self, op: PlannedOp) -> None:
        """Reading rows one after another; decoding one row hides behind the next read."""
        decode = ceil(op.columns / self.chip.pu.vector_size) * self.tick
        reads = [read for read in self.plan.embedding_reads if read.table == op.table]
        read_end = decode_end = self.now
        for read in reads:
            read_end = max(read_end + self._move(read.medium, read.bits), decode_end)
            decode_end = read_end + decode
        rest = max(0, op.rows - len(reads)) * decode
        self.now = decode_end + rest + self.sfu.pipeline_fill_cycles * self.tick

    def _move(self, medium: str, bits: int) -> int:
        """Ticks of one transfer that meets no other."""
        if medium not in self.media:
            self.media[medium] = self._figures(medium)
        port, rate, latency = self.media[medium]
        data = -(-bits // port) * self.tick
        if rate is not None:
            data = max(data, -(-bits * 10**12 // rate))
        return -(-(latency + data) // self.tick) * self.tick

    def _write(self, medium: str, bits: int) -> int:
        """The same towards a medium: where a port word takes a pulse, pulse by pulse."""
        if not medium_of(medium).is_non_volatile:
            return self._move(medium, bits)
        port = self.chip.storage[storage_family(medium)].port_bits
        pulse = round(self.technology.value(f"{medium}.write_latency_ns") * 1000)
        pulses = -(-bits // port) * max(self.tick, pulse)
        return -(-pulses // self.tick) * self.tick

    def _figures(self, medium: str) -> tuple[int, int | None, int]:
        """Port bits, bits per second where a DRAM limits them, and latency in ticks."""
        port = self.chip.storage[storage_family(medium)].port_bits
        if not medium_of(medium).is_dram:
            latency = self.technology.value(f"{medium}.read_latency_ns")
            return port, None, round(latency * 1000)
        rate = round(self.technology.value(f"{medium}.peak_bandwidth_gb_per_s") * 8e9)
        latency = self.technology.value(f"{medium}.access_latency_ns")
        return port, rate, round(latency * 1000)


def _band_tiles(op: PlannedOp, span: int, n: int) -> int:
    """Tiles of one head's scores or context that hold a pair of tokens closer than its span."""
    side = ceil(op.rows / n)
    inner = ceil((op.reduction if op.facts.heads == "split" else op.columns) / n)
    near = sum(2 * (side - apart) for apart in range(1, side) if (apart - 1) * n + 1 < span)
    return (side + near) * inner


def _vector_cycles(sfu: SfuSpec, vector_size: int, op: PlannedOp) -> int:
    """Cycles of a vector op from the pass structure of its program."""
    vectors = ceil(op.reduction / vector_size)
    if op.kind not in sfu.programs:
        return op.rows * vectors + sfu.pipeline_fill_cycles
    program = sfu.programs[op.kind]
    flat = [step for steps in program.passes for step in steps]
    if sfu.schedule == "pipelined":
        return op.rows * vectors * flat.count("activation") + sfu.pipeline_fill_cycles
    if sfu.schedule == "fsm_ii":
        states = 2 * flat.count("activation") + 2 * flat.count("auxiliary") + flat.count("compute")
        per_row = vectors * states + program.row_cycles
        return (op.rows * per_row + program.op_cycles) * program.initiation_interval
    per_vector = (
        flat.count("activation") * sfu.activation_fetch_cycles
        + flat.count("auxiliary") * sfu.auxiliary_fetch_cycles
        + flat.count("compute")
    )
    return op.rows * (vectors * per_vector + program.row_cycles) + program.op_cycles
