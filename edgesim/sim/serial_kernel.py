"""The event engine of a serial segment as one numba kernel: what `engine` plays in SimPy, compiled.

Three clients share slots and channels: the host with the unit that it waits for, the weight
stream, and a store that drains behind a product. Each has at most one event to come. Events are
ordered as SimPy orders them, by time, urgency and order of scheduling, so that the two give the
same log, ties included.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from edgesim.sim import serial_layout as at
from edgesim.sim.kernels import DRAIN_END, LOAD_END, advance_tiles, kernel_part
from edgesim.sim.serial_steps import lay_out

_URGENT, _NORMAL = 0, 1


@nb.njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def play(tables, begin):  # type: ignore[no-untyped-def]
    """The log of a segment; unless `state.ended`, work remains and nothing can move.

    `tables` come without steps, `begin` without steps and log. All of it is one kernel because a
    new process loads compiled code kernel by kernel, and one load takes longer than a layer.
    """
    num_steps = 0
    steps = np.empty(0, at.STEP)
    for _ in range(2):  # the first time to count them; one call, so that it is compiled in once
        steps = np.empty(num_steps, at.STEP)
        tables.shares[:] = 0
        num_steps = lay_out(at.Segment(
            tables.figures, tables.ops, tables.chunks, tables.blocks, tables.entries,
            tables.loads, tables.stores, tables.counts, tables.reads, tables.shares, steps,
        ))  # fmt: skip
    log = np.empty(4 * num_steps + 3 * len(begin.requests), at.LOG_ROW)
    _take_steps(at.World(
        begin.state, steps, begin.requests, begin.media, begin.channels, begin.wake, begin.tiles,
        log,
    ))  # fmt: skip
    return log[: begin.state.num_rows]


@kernel_part
def _take_steps(world):  # type: ignore[no-untyped-def]
    """Event after event, in SimPy's order; a step logs four rows at most, a chunk three."""
    state, wake = world.state, world.wake
    _schedule(world, at.STREAM, 0, _URGENT)
    _schedule(world, at.HOST, 0, _URGENT)
    while not state.ended:
        first = at.IDLE
        for client in range(at.NUM_CLIENTS):
            if wake[client].tick != at.IDLE and (
                first == at.IDLE or _comes_before(wake[client], wake[first])
            ):
                first = client
        if first == at.IDLE:
            return
        state.now = wake[first].tick
        wake[first].tick = at.IDLE
        if first == at.HOST:
            _host(world)
        elif first == at.STREAM:
            _stream(world)
        else:
            _store(world)
    if state.stream_waits:
        state.ended = 0


@kernel_part
def _comes_before(left, right):  # type: ignore[no-untyped-def]
    if left.tick != right.tick:
        return left.tick < right.tick
    if left.urgency != right.urgency:
        return left.urgency < right.urgency
    return left.order < right.order


@kernel_part
def _schedule(world, client, delay, urgency):  # type: ignore[no-untyped-def]
    event, state = world.wake[client], world.state
    event.tick = state.now + delay
    event.urgency = urgency
    event.order = state.scheduled
    state.scheduled += 1


# clients -----------------------------------------------------------------------------------------


@kernel_part
def _host(world):  # type: ignore[no-untyped-def]
    """Take steps until one has to wait; a step that waited goes on in its next phase."""
    state = world.state
    while not state.ended:
        if _goes_on(world, world.steps[state.step]):
            return
        state.step += 1
        state.phase = 0


@kernel_part
def _goes_on(world, step):  # type: ignore[no-untyped-def]
    """Begin a step, or what follows its wait; True while it is under way."""
    if step.kind == at.NOTE:
        _add(world, world.state.now, step.unit, step.action, step.op, step.count, step.amount)
        return False
    if step.kind == at.WORK:
        return _works(world, step)
    if step.kind == at.MOVE:
        return _moves(world, step)
    if step.kind in (at.BEGIN_PRODUCT, at.TILES, at.DRAIN):
        return _array_works(world, step)
    if step.kind in (at.BEGIN_ROWS, at.DECODE_ROW, at.AWAIT_ROWS):
        return _decodes(world, step)
    return _waits(world, step)


@kernel_part
def _works(world, step):  # type: ignore[no-untyped-def]
    """A stretch in which the host or the special function unit works; True while it does."""
    state = world.state
    if state.phase == 0:
        state.phase, state.start = 1, state.now
        _schedule(world, at.HOST, step.amount * state.period, _NORMAL)
        return True
    _add(world, state.start, step.unit, step.action, step.op, step.count, 0)
    return False


@kernel_part
def _moves(world, step):  # type: ignore[no-untyped-def]
    """Hold a channel for one transfer; True while it lasts."""
    state = world.state
    if state.phase == 0:
        state.phase = 1
        if _must_wait(world.channels[step.unit], at.HOST):
            return True
    if state.phase == 1:
        state.phase, state.start = 2, state.now
        _schedule(world, at.HOST, _transfer_ticks(world, step.unit, step.amount), _NORMAL)
        return True
    _give(world, step.unit)
    _moved(world, state.start, step.unit, step.action, step.op, step.amount)
    if step.count:
        side = at.DATA_WRITE if step.action == at.READ else at.DATA_READ
        _add(world, state.now, at.OPERAND1_UNIT, side, step.op, 0, step.amount)
    return False


@kernel_part
def _array_works(world, step):  # type: ignore[no-untyped-def]
    """A piece of a product on the tile pipeline, or its last drain; True while it is under way."""
    state = world.state
    if step.kind == at.BEGIN_PRODUCT:
        world.tiles[:] = 0
        state.begin = state.now
        return False
    if state.phase == 0:
        cycle = world.tiles[DRAIN_END] + state.pu_fill
        if step.kind == at.TILES:
            n = state.vector_size
            not_before = -((state.begin - state.now) // state.period)
            advance_tiles(
                world.tiles, step.amount, step.count, n, n, state.drain_cycles,
                state.operand_buffers, state.accumulators, not_before, state.skip != 0,
            )  # fmt: skip
            cycle = world.tiles[LOAD_END]
        end = state.begin + cycle * state.period
        if end <= state.now:
            return False
        state.phase, state.start = 1, state.now
        _schedule(world, at.HOST, end - state.now, _NORMAL)
        return True
    cycles = (state.now - state.start) // state.period
    _add(world, state.start, at.PU_UNIT, at.BUSY, step.op, cycles, 0)
    return False


@kernel_part
def _decodes(world, step):  # type: ignore[no-untyped-def]
    """Rows of an embedding table; True while a step waits for the row before."""
    state = world.state
    if step.kind == at.BEGIN_ROWS:
        state.decoded = state.now
        return False
    if state.decoded > state.now:
        _schedule(world, at.HOST, state.decoded - state.now, _NORMAL)
        return True
    if step.kind == at.DECODE_ROW:
        start = state.now
        state.decoded = start + step.amount * state.period
        _add_until(
            world, start, state.decoded, at.SFU_UNIT, at.BUSY, step.op, step.amount, 0
        )  # fmt: skip
    return False


@kernel_part
def _waits(world, step):  # type: ignore[no-untyped-def]
    """Slots, chunks, stores, and the last event; True where the host has to wait."""
    state = world.state
    if step.kind == at.END:
        state.ended = state.phase
        state.phase = 1
        _schedule(world, at.HOST, 0, _NORMAL)
        return True
    if step.kind == at.GIVE_SLOT:
        if state.stream_waits:
            state.stream_waits = 0
            _schedule(world, at.STREAM, 0, _NORMAL)
        else:
            state.free_slots += 1
    elif step.kind == at.START_STORE:
        state.store_medium, state.store_bits, state.store_op = step.unit, step.amount, step.op
        state.store_under_way, state.store_phase = 1, 0
        _schedule(world, at.STORE, 0, _URGENT)
    elif step.kind == at.AWAIT_CHUNK:
        if state.ready <= step.amount:
            state.awaited_chunk = step.amount
            return True
    elif state.store_under_way:
        state.store_awaited = 1
        return True
    return False


@kernel_part
def _stream(world):  # type: ignore[no-untyped-def]
    """Prefetch in the order of use, as far ahead as there are free slots."""
    state = world.state
    while state.chunk < len(world.requests):
        request = world.requests[state.chunk]
        phase = state.stream_phase
        state.stream_phase += 1
        if phase == 0:
            if state.free_slots == 0:
                state.stream_waits = 1
                return
            state.free_slots -= 1
        elif phase == 1:
            if _must_wait(world.channels[request.medium], at.STREAM):
                return
        elif phase == 2:
            state.stream_start = state.now
            ticks = _transfer_ticks(world, request.medium, request.bits)
            _schedule(world, at.STREAM, ticks, _NORMAL)
            return
        else:
            _give(world, request.medium)
            _moved(world, state.stream_start, request.medium, at.READ, request.op, request.bits)
            state.ready += 1
            if state.awaited_chunk == state.chunk:
                state.awaited_chunk = at.IDLE
                _schedule(world, at.HOST, 0, _NORMAL)
            state.chunk += 1
            state.stream_phase = 0


@kernel_part
def _store(world):  # type: ignore[no-untyped-def]
    """One store of a product's output, beside the product."""
    state = world.state
    medium, bits, op = state.store_medium, state.store_bits, state.store_op
    if state.store_phase == 0:
        state.store_phase = 1
        if _must_wait(world.channels[medium], at.STORE):
            return
    if state.store_phase == 1:
        state.store_phase, state.store_start = 2, state.now
        _schedule(world, at.STORE, _transfer_ticks(world, medium, bits), _NORMAL)
        return
    _give(world, medium)
    _moved(world, state.store_start, medium, at.WRITE, op, bits)
    _add(world, state.now, at.OPERAND1_UNIT, at.DATA_READ, op, 0, bits)
    state.store_under_way = 0
    if state.store_awaited:
        state.store_awaited = 0
        _schedule(world, at.HOST, 0, _NORMAL)


# channels and the log ----------------------------------------------------------------------------


@kernel_part
def _must_wait(channel, client):  # type: ignore[no-untyped-def]
    """Hold a channel at once (False), or join those that wait for it (True)."""
    if channel.held == 0:
        channel.held = 1
        return False
    if channel.waiting == 0:
        channel.first = client
    elif channel.waiting == 1:
        channel.second = client
    else:
        channel.third = client
    channel.waiting += 1
    return True


@kernel_part
def _give(world, medium):  # type: ignore[no-untyped-def]
    """Return a channel; it goes to whoever has waited longest."""
    channel = world.channels[medium]
    if channel.waiting == 0:
        channel.held = 0
        return
    _schedule(world, channel.first, 0, _NORMAL)
    channel.first, channel.second = channel.second, channel.third
    channel.waiting -= 1


@kernel_part
def _transfer_ticks(world, number, bits):  # type: ignore[no-untyped-def]
    """Latency, then port words or the medium's rate, in whole cycles.

    A second has 10^12 ticks; the division is done in two steps of 10^6 to stay within 64 bits.
    """
    medium, period = world.media[number], world.state.period
    data = -(-bits // medium.port_bits) * period
    rate = medium.bits_per_second
    if rate > 0:
        scaled = bits * 1_000_000
        rest = (scaled % rate) * 1_000_000
        data = max(data, scaled // rate * 1_000_000 - (-rest // rate))
    return -(-(medium.latency_ticks + data) // period) * period


@kernel_part
def _moved(world, start, medium, action, op, bits):  # type: ignore[no-untyped-def]
    """Note a transfer, and the pages that it opened."""
    unit, page_bits = at.FIRST_MEDIUM + medium, world.media[medium].page_bits
    _add(world, start, at.DMA_UNIT, at.TRANSFER, op, 1, bits)
    _add(world, start, unit, action, op, 1, bits)
    if page_bits > 0 and bits > 0:
        pages = -(-bits // page_bits)
        _add_until(world, start, start, unit, at.ACTIVATE, op, pages, 0)


@kernel_part
def _add(world, start, unit, action, op, count, bits):  # type: ignore[no-untyped-def]
    _add_until(world, start, world.state.now, unit, action, op, count, bits)


@kernel_part
def _add_until(world, start, end, unit, action, op, count, bits):  # type: ignore[no-untyped-def]
    state = world.state
    row = world.log[state.num_rows]
    row.start, row.end = start, end
    row.unit, row.action, row.op = unit, action, op
    row.count, row.bits = count, bits
    state.num_rows += 1
