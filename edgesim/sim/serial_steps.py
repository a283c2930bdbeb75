"""The steps that the host takes in a serial segment, in order: what `engine` does op by op.

Nothing here depends on time. When a step begins and ends is found by `serial_kernel`.
"""

from __future__ import annotations

from edgesim.sim import serial_layout as at
from edgesim.sim.kernels import kernel_part, kernel_piece
from edgesim.sim.serial_layout import COUNT, FIGURES, OP, ROW_READ, SPILL, STEP


@kernel_piece
def lay_out(segment):  # type: ignore[no-untyped-def]
    """Write the steps of a segment and return their number, also where there is no room for all."""
    ops = segment.ops
    num_ops = len(ops) - 1
    place = 0
    op = 0
    while op < num_ops:
        for row in range(ops[op][OP.first_entry], ops[op + 1][OP.first_entry]):
            entry = segment.entries[row]
            place = _step(
                segment, place, at.MOVE, op, entry[SPILL.medium], at.WRITE, entry[SPILL.bits], 1
            )
        stop = op
        while stop < num_ops and ops[stop][OP.repeats] > 1 and ops[stop][OP.unit] != at.FUSED:
            stop += 1
        for _ in range(ops[op][OP.repeats] if stop > op else 1):
            for member in range(op, max(stop, op + 1)):
                place = _command(segment, place, member)
        op = max(stop, op + 1)
    return _step(segment, place, at.END, 0, 0, 0, 0, 0)


@kernel_part
def _step(segment, place, kind, op, unit, action, amount, count):  # type: ignore[no-untyped-def]
    """Write one step and return the place behind it."""
    if place < len(segment.steps):
        step = segment.steps[place]
        step[STEP.kind], step[STEP.op], step[STEP.unit] = kind, op, unit
        step[STEP.action], step[STEP.amount], step[STEP.count] = action, amount, count
    return place + 1


@kernel_piece
def _command(segment, place, number):  # type: ignore[no-untyped-def]
    """Configure, start, wait for the unit, take the interrupt."""
    op, figures = segment.ops[number], segment.figures
    if op[OP.unit] == at.FUSED:
        return place
    if op[OP.unit] == at.AT_EXIT:
        return _step(segment, place, at.WORK, number, at.HOST_UNIT, at.DECIDE, op[OP.cycles], 1)
    if op[OP.unit] == at.ON_HOST:
        return _host_op(segment, place, number)
    on_pu = op[OP.unit] == at.ON_PU
    writes = figures[FIGURES.pu_writes] if on_pu else figures[FIGURES.sfu_writes]
    cycles = writes * figures[FIGURES.write_cycles]
    place = _step(segment, place, at.WORK, number, at.HOST_UNIT, at.ISSUE, cycles, writes)
    place = _product(segment, place, number) if on_pu else _vector(segment, place, number)
    for row in range(op[OP.first_count], segment.ops[number + 1][OP.first_count]):
        of = segment.counts[row]
        place = _step(
            segment,
            place,
            at.NOTE,
            number,
            of[COUNT.unit],
            of[COUNT.action],
            of[COUNT.bits],
            of[COUNT.count],
        )
    cycles = figures[FIGURES.pu_interrupt] if on_pu else figures[FIGURES.sfu_interrupt]
    return _step(segment, place, at.WORK, number, at.HOST_UNIT, at.INTERRUPT, cycles, 1)


@kernel_piece
def _host_op(segment, place, number):  # type: ignore[no-untyped-def]
    """An op that the chip lacks: tensors out, host cycles, tensors in."""
    op, after = segment.ops[number], segment.ops[number + 1]
    for row in range(op[OP.first_read], after[OP.first_read]):
        read = segment.reads[row]
        place = _step(
            segment, place, at.MOVE, number, read[ROW_READ.medium], at.READ, read[ROW_READ.bits], 0
        )
    place = _spills(segment, place, number, op[OP.first_store], after[OP.first_store], at.WRITE)
    place = _step(
        segment, place, at.WORK, number, at.HOST_UNIT, at.COMPUTE, op[OP.cycles], op[OP.elements]
    )
    return _spills(segment, place, number, op[OP.first_load], after[OP.first_load], at.READ)


@kernel_piece
def _vector(segment, place, number):  # type: ignore[no-untyped-def]
    op, after = segment.ops[number], segment.ops[number + 1]
    place = _spills(segment, place, number, op[OP.first_load], after[OP.first_load], at.READ)
    if op[OP.parameters]:
        place = _step(segment, place, at.AWAIT_CHUNK, number, 0, 0, op[OP.first_request], 0)
    if op[OP.embeds]:
        place = _embedding(segment, place, number)
    else:
        place = _step(
            segment, place, at.WORK, number, at.SFU_UNIT, at.BUSY, op[OP.cycles], op[OP.cycles]
        )
    if op[OP.parameters]:
        place = _step(segment, place, at.GIVE_SLOT, number, 0, 0, 0, 0)
    return _spills(segment, place, number, op[OP.first_store], after[OP.first_store], at.WRITE)


@kernel_part
def _spills(segment, place, number, first, stop, action):  # type: ignore[no-untyped-def]
    """Whole activations that move before or behind an op."""
    for row in range(first, stop):
        spill = segment.loads[row] if action == at.READ else segment.stores[row]
        place = _step(
            segment, place, at.MOVE, number, spill[SPILL.medium], action, spill[SPILL.bits], 1
        )
    return place


@kernel_piece
def _embedding(segment, place, number):  # type: ignore[no-untyped-def]
    """Read row after row; decoding one row (`cycles`) overlaps reading the next."""
    op, after = segment.ops[number], segment.ops[number + 1]
    place = _step(segment, place, at.BEGIN_ROWS, number, 0, 0, 0, 0)
    for row in range(op[OP.first_read], after[OP.first_read]):
        read = segment.reads[row]
        place = _step(
            segment, place, at.MOVE, number, read[ROW_READ.medium], at.READ, read[ROW_READ.bits], 0
        )
        place = _step(segment, place, at.DECODE_ROW, number, 0, 0, op[OP.cycles], 0)
    place = _step(segment, place, at.AWAIT_ROWS, number, 0, 0, 0, 0)
    repeated = max(0, op[OP.rows] - (after[OP.first_read] - op[OP.first_read]))
    cycles = repeated * op[OP.cycles] + segment.figures[FIGURES.sfu_fill]
    return _step(segment, place, at.WORK, number, at.SFU_UNIT, at.BUSY, cycles, cycles)


@kernel_piece
def _product(segment, place, number):  # type: ignore[no-untyped-def]
    """One command on the MAC array: blocks of rows against chunks of weights."""
    op, after = segment.ops[number], segment.ops[number + 1]
    place = _step(segment, place, at.BEGIN_PRODUCT, number, 0, 0, 0, 0)
    if op[OP.first_chunk] == after[OP.first_chunk]:
        place = _loads(segment, place, number, 1, op[OP.repeats])
        column_tiles = -(-op[OP.columns] // segment.figures[FIGURES.vector_size])
        for row in range(op[OP.first_block], after[OP.first_block]):
            rows = segment.blocks[row]
            place = _tiles(segment, place, number, rows, column_tiles)
            place = _stores(segment, place, number, rows * op[OP.columns])
    elif op[OP.order] == at.WEIGHT_BLOCKED:
        place = _weight_blocked(segment, place, number)
    else:
        place = _streamed(segment, place, number)
    place = _step(segment, place, at.DRAIN, number, 0, 0, 0, 0)
    return _step(segment, place, at.AWAIT_STORE, number, 0, 0, 0, 0)


@kernel_piece
def _streamed(segment, place, number):  # type: ignore[no-untyped-def]
    """Every chunk of weights against a block of rows, then the next block."""
    op, after = segment.ops[number], segment.ops[number + 1]
    request = op[OP.first_request]
    for row in range(op[OP.first_block], after[OP.first_block]):
        rows = segment.blocks[row]
        place = _loads(segment, place, number, rows, op[OP.rows])
        left = op[OP.columns]
        for chunk in range(op[OP.first_chunk], after[OP.first_chunk]):
            awaited = request + chunk - op[OP.first_chunk]
            place = _step(segment, place, at.AWAIT_CHUNK, number, 0, 0, awaited, 0)
            place = _tiles(segment, place, number, rows, segment.chunks[chunk])
            place = _step(segment, place, at.GIVE_SLOT, number, 0, 0, 0, 0)
            columns = min(segment.chunks[chunk] * segment.figures[FIGURES.vector_size], left)
            place = _stores(segment, place, number, rows * columns)
            left -= columns
        if op[OP.order] == at.ROW_BLOCKED:
            request += after[OP.first_chunk] - op[OP.first_chunk]
    return place


@kernel_piece
def _weight_blocked(segment, place, number):  # type: ignore[no-untyped-def]
    """Weights in resident groups; the rows pass by once per group."""
    op, after = segment.ops[number], segment.ops[number + 1]
    group = -(-(after[OP.first_chunk] - op[OP.first_chunk]) // op[OP.passes])
    behind = op[OP.columns]
    for first in range(op[OP.first_chunk], after[OP.first_chunk], group):
        stop = min(first + group, after[OP.first_chunk])
        for chunk in range(first, stop):
            awaited = op[OP.first_request] + chunk - op[OP.first_chunk]
            place = _step(segment, place, at.AWAIT_CHUNK, number, 0, 0, awaited, 0)
            place = _step(segment, place, at.GIVE_SLOT, number, 0, 0, 0, 0)
        left = behind
        for row in range(op[OP.first_block], after[OP.first_block]):
            rows = segment.blocks[row]
            place = _loads(segment, place, number, rows, op[OP.rows])
            left = behind
            for chunk in range(first, stop):
                place = _tiles(segment, place, number, rows, segment.chunks[chunk])
                columns = min(segment.chunks[chunk] * segment.figures[FIGURES.vector_size], left)
                place = _stores(segment, place, number, rows * columns)
                left -= columns
        behind = left
    return place


@kernel_part
def _tiles(segment, place, number, rows, column_tiles):  # type: ignore[no-untyped-def]
    n = segment.figures[FIGURES.vector_size]
    outputs = -(-rows // n) * column_tiles
    depth = -(-segment.ops[number][OP.reduction] // n)
    return _step(segment, place, at.TILES, number, 0, 0, outputs, depth)


@kernel_part
def _loads(segment, place, number, part, whole):  # type: ignore[no-untyped-def]
    """Bring this block's share of every spilled input."""
    for row in range(segment.ops[number][OP.first_load], segment.ops[number + 1][OP.first_load]):
        spill = segment.loads[row]
        bits = _share(segment, spill, part, whole)
        place = _step(segment, place, at.MOVE, number, spill[SPILL.medium], at.READ, bits, 1)
    return place


@kernel_part
def _stores(segment, place, number, elements):  # type: ignore[no-untyped-def]
    """Send this piece's share of a spilled output; one store may be under way."""
    op = segment.ops[number]
    for row in range(op[OP.first_store], segment.ops[number + 1][OP.first_store]):
        spill = segment.stores[row]
        bits = _share(segment, spill, elements, op[OP.rows] * op[OP.columns] * op[OP.repeats])
        place = _step(segment, place, at.AWAIT_STORE, number, 0, 0, 0, 0)
        place = _step(
            segment, place, at.START_STORE, number, spill[SPILL.medium], at.WRITE, bits, 1
        )
    return place


@kernel_part
def _share(segment, spill, part, whole):  # type: ignore[no-untyped-def]
    """Bits of the next `part` of `whole`; over all parts they sum to the tensor's bits."""
    done = segment.shares[spill[SPILL.share]]
    segment.shares[spill[SPILL.share]] = done + part
    return (done + part) * spill[SPILL.bits] // whole - done * spill[SPILL.bits] // whole
