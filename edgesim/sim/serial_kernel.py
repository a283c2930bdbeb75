"""The event engine of a serial segment as one numba kernel: what `engine` plays in SimPy, compiled.

Three clients share slots and channels: the host with the unit that it waits for, the weight
stream, and a store that drains behind a product. Each has at most one event to come. Events are
ordered as SimPy orders them, by time, urgency and order of scheduling, so that the two give the
same log, ties included.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from edgesim.sim import kernels, serial_layout, serial_steps
from edgesim.sim import serial_layout as at
from edgesim.sim.kernels import (
    DRAIN_END,
    LOAD_END,
    STATE_SIZE,
    advance_tiles,
    kernel_part,
    kernel_piece,
    sources_digest,
)
from edgesim.sim.serial_layout import (
    CHANNEL,
    COUNT,
    LOG,
    MEDIUM,
    OP,
    REQUEST,
    ROW_READ,
    SPILL,
    STATE,
    STEP,
    WAKE,
)
from edgesim.sim.serial_steps import lay_out


def _kernel(version: int) -> Any:
    """`play`, compiled anew whenever the sources of its parts change.

    Numba's cache looks at the file of the kernel alone; what the kernel closes over is part of
    its key.
    """

    @nb.njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
    def play(state, tables):  # type: ignore[no-untyped-def]
        """The log of a segment, (fields of LOG, rows); unless `state` ended, work remains and
        nothing can move.

        `tables` are all sections one after another, behind the number of entries of each. All of
        it is one kernel because a new process loads compiled code kernel by kernel, and one load
        takes longer than a layer.
        """
        _ = version
        num_steps = 0
        steps = np.empty((0, len(STEP)), np.int64)
        for _ in range(2):  # first to count them; one call, so that it is compiled in once
            steps = np.empty((num_steps, len(STEP)), np.int64)
            num_steps = lay_out(_segment(tables, steps))
        requests = _rows(tables, at.REQUESTS, len(REQUEST))
        media = _rows(tables, at.MEDIA, len(MEDIUM))
        log = np.empty((len(LOG), 4 * num_steps + 3 * len(requests)), np.int64)
        wake = np.zeros((at.NUM_CLIENTS, len(WAKE)), np.int64)
        wake[:, WAKE.tick] = at.IDLE
        channels = np.zeros((len(media), len(CHANNEL)), np.int64)
        tiles = np.zeros(STATE_SIZE, np.int64)
        _take_steps(at.World(state, steps, requests, media, channels, wake, tiles, log))
        return log[:, : state[STATE.num_rows]]

    return play


@kernel_part
def _section(tables, number):  # type: ignore[no-untyped-def]
    begin = at.NUM_SECTIONS
    for before in range(number):
        begin += tables[before]
    return tables[begin : begin + tables[number]]


@kernel_part
def _rows(tables, number, width):  # type: ignore[no-untyped-def]
    flat = _section(tables, number)
    return flat.reshape((len(flat) // width, width))


@kernel_piece
def _segment(tables, steps):  # type: ignore[no-untyped-def]
    """Views of the sections that steps are made from."""
    moves = tables[at.ENTRIES] + tables[at.LOADS] + tables[at.STORES]
    return at.Segment(
        _section(tables, at.CHIP_FIGURES), _rows(tables, at.OPS, len(OP)),
        _section(tables, at.CHUNKS), _section(tables, at.BLOCKS),
        _rows(tables, at.ENTRIES, len(SPILL)),
        _rows(tables, at.LOADS, len(SPILL)), _rows(tables, at.STORES, len(SPILL)),
        _rows(tables, at.COUNTS, len(COUNT)), _rows(tables, at.READS, len(ROW_READ)),
        np.zeros(moves, np.int64), steps,
    )  # fmt: skip


@kernel_piece
def _take_steps(world):  # type: ignore[no-untyped-def]
    """Event after event, in SimPy's order; a step logs four rows at most, a chunk three."""
    state, wake = world.state, world.wake
    _schedule(world, at.STREAM, 0, at.URGENT)
    _schedule(world, at.HOST, 0, at.URGENT)
    while not state[STATE.ended]:
        first = at.IDLE
        for client in range(at.NUM_CLIENTS):
            if wake[client][WAKE.tick] != at.IDLE and (
                first == at.IDLE or _comes_before(wake[client], wake[first])
            ):
                first = client
        if first == at.IDLE:
            return
        state[STATE.now] = wake[first][WAKE.tick]
        wake[first][WAKE.tick] = at.IDLE
        if first == at.HOST:
            _host(world)
        elif first == at.STREAM:
            _stream(world)
        else:
            _store(world)
    if state[STATE.stream_waits]:
        state[STATE.ended] = 0


@kernel_piece
def _comes_before(left, right):  # type: ignore[no-untyped-def]
    if left[WAKE.tick] != right[WAKE.tick]:
        return left[WAKE.tick] < right[WAKE.tick]
    if left[WAKE.urgency] != right[WAKE.urgency]:
        return left[WAKE.urgency] < right[WAKE.urgency]
    return left[WAKE.order] < right[WAKE.order]


@kernel_part
def _schedule(world, client, delay, urgency):  # type: ignore[no-untyped-def]
    event, state = world.wake[client], world.state
    event[WAKE.tick] = state[STATE.now] + delay
    event[WAKE.urgency] = urgency
    event[WAKE.order] = state[STATE.scheduled]
    state[STATE.scheduled] += 1


# clients -----------------------------------------------------------------------------------------


@kernel_piece
def _host(world):  # type: ignore[no-untyped-def]
    """Take steps until one has to wait; a step that waited goes on in its next phase."""
    state = world.state
    while not state[STATE.ended]:
        if _goes_on(world, world.steps[state[STATE.step]]):
            return
        state[STATE.step] += 1
        state[STATE.phase] = 0


@kernel_piece
def _goes_on(world, step):  # type: ignore[no-untyped-def]
    """Begin a step, or what follows its wait; True while it is under way."""
    if step[STEP.kind] == at.NOTE:
        _add(
            world,
            world.state[STATE.now],
            step[STEP.unit],
            step[STEP.action],
            step[STEP.op],
            step[STEP.count],
            step[STEP.amount],
        )
        return False
    if step[STEP.kind] == at.WORK:
        return _works(world, step)
    if step[STEP.kind] == at.MOVE:
        return _moves(world, step)
    if step[STEP.kind] in (at.BEGIN_PRODUCT, at.TILES, at.DRAIN):
        return _array_works(world, step)
    if step[STEP.kind] in (at.BEGIN_ROWS, at.DECODE_ROW, at.AWAIT_ROWS):
        return _decodes(world, step)
    return _waits(world, step)


@kernel_piece
def _works(world, step):  # type: ignore[no-untyped-def]
    """A stretch in which the host or the special function unit works; True while it does."""
    state = world.state
    if state[STATE.phase] == 0:
        state[STATE.phase], state[STATE.start] = 1, state[STATE.now]
        _schedule(world, at.HOST, step[STEP.amount] * state[STATE.period], at.NORMAL)
        return True
    _add(
        world,
        state[STATE.start],
        step[STEP.unit],
        step[STEP.action],
        step[STEP.op],
        step[STEP.count],
        0,
    )
    return False


@kernel_piece
def _moves(world, step):  # type: ignore[no-untyped-def]
    """Hold a channel for one transfer; True while it lasts."""
    state = world.state
    if state[STATE.phase] == 0:
        state[STATE.phase] = 1
        if _must_wait(world.channels[step[STEP.unit]], at.HOST):
            return True
    if state[STATE.phase] == 1:
        state[STATE.phase], state[STATE.start] = 2, state[STATE.now]
        _schedule(
            world, at.HOST, _transfer_ticks(world, step[STEP.unit], step[STEP.amount]), at.NORMAL
        )
        return True
    _give(world, step[STEP.unit])
    _moved(
        world,
        state[STATE.start],
        step[STEP.unit],
        step[STEP.action],
        step[STEP.op],
        step[STEP.amount],
    )
    if step[STEP.count]:
        side = at.DATA_WRITE if step[STEP.action] == at.READ else at.DATA_READ
        _add(world, state[STATE.now], at.OPERAND1_UNIT, side, step[STEP.op], 0, step[STEP.amount])
    return False


@kernel_piece
def _array_works(world, step):  # type: ignore[no-untyped-def]
    """A piece of a product on the tile pipeline, or its last drain; True while it is under way."""
    state = world.state
    if step[STEP.kind] == at.BEGIN_PRODUCT:
        world.tiles[:] = 0
        state[STATE.begin] = state[STATE.now]
        return False
    if state[STATE.phase] == 0:
        cycle = world.tiles[DRAIN_END] + state[STATE.pu_fill]
        if step[STEP.kind] == at.TILES:
            n = state[STATE.vector_size]
            not_before = -((state[STATE.begin] - state[STATE.now]) // state[STATE.period])
            advance_tiles(
                world.tiles, step[STEP.amount], step[STEP.count], n, n, state[STATE.drain_cycles],
                state[STATE.operand_buffers], state[STATE.accumulators], not_before,
                state[STATE.skip] != 0,
            )  # fmt: skip
            cycle = world.tiles[LOAD_END]
        end = state[STATE.begin] + cycle * state[STATE.period]
        if end <= state[STATE.now]:
            return False
        state[STATE.phase], state[STATE.start] = 1, state[STATE.now]
        _schedule(world, at.HOST, end - state[STATE.now], at.NORMAL)
        return True
    cycles = (state[STATE.now] - state[STATE.start]) // state[STATE.period]
    _add(world, state[STATE.start], at.PU_UNIT, at.BUSY, step[STEP.op], cycles, 0)
    return False


@kernel_piece
def _decodes(world, step):  # type: ignore[no-untyped-def]
    """Rows of an embedding table; True while a step waits for the row before."""
    state = world.state
    if step[STEP.kind] == at.BEGIN_ROWS:
        state[STATE.decoded] = state[STATE.now]
        return False
    if state[STATE.decoded] > state[STATE.now]:
        _schedule(world, at.HOST, state[STATE.decoded] - state[STATE.now], at.NORMAL)
        return True
    if step[STEP.kind] == at.DECODE_ROW:
        start = state[STATE.now]
        state[STATE.decoded] = start + step[STEP.amount] * state[STATE.period]
        _add_until(
            world, start, state[STATE.decoded], at.SFU_UNIT, at.BUSY, step[STEP.op],
            step[STEP.amount], 0,
        )  # fmt: skip
    return False


@kernel_piece
def _waits(world, step):  # type: ignore[no-untyped-def]
    """Slots, chunks, stores, and the last event; True where the host has to wait."""
    state = world.state
    if step[STEP.kind] == at.END:
        state[STATE.ended] = state[STATE.phase]
        state[STATE.phase] = 1
        _schedule(world, at.HOST, 0, at.NORMAL)
        return True
    if step[STEP.kind] == at.GIVE_SLOT:
        if state[STATE.stream_waits]:
            state[STATE.stream_waits] = 0
            _schedule(world, at.STREAM, 0, at.NORMAL)
        else:
            state[STATE.free_slots] += 1
    elif step[STEP.kind] == at.START_STORE:
        state[STATE.store_medium], state[STATE.store_bits], state[STATE.store_op] = (
            step[STEP.unit],
            step[STEP.amount],
            step[STEP.op],
        )
        state[STATE.store_under_way], state[STATE.store_phase] = 1, 0
        _schedule(world, at.STORE, 0, at.URGENT)
    elif step[STEP.kind] == at.AWAIT_CHUNK:
        if state[STATE.ready] <= step[STEP.amount]:
            state[STATE.awaited_chunk] = step[STEP.amount]
            return True
    elif state[STATE.store_under_way]:
        state[STATE.store_awaited] = 1
        return True
    return False


@kernel_piece
def _stream(world):  # type: ignore[no-untyped-def]
    """Prefetch in the order of use, as far ahead as there are free slots."""
    state = world.state
    while state[STATE.chunk] < len(world.requests):
        request = world.requests[state[STATE.chunk]]
        phase = state[STATE.stream_phase]
        state[STATE.stream_phase] += 1
        if phase == 0:
            if state[STATE.free_slots] == 0:
                state[STATE.stream_waits] = 1
                return
            state[STATE.free_slots] -= 1
        elif phase == 1:
            if _must_wait(world.channels[request[REQUEST.medium]], at.STREAM):
                return
        elif phase == 2:
            state[STATE.stream_start] = state[STATE.now]
            ticks = _transfer_ticks(world, request[REQUEST.medium], request[REQUEST.bits])
            _schedule(world, at.STREAM, ticks, at.NORMAL)
            return
        else:
            _give(world, request[REQUEST.medium])
            _moved(
                world,
                state[STATE.stream_start],
                request[REQUEST.medium],
                at.READ,
                request[REQUEST.op],
                request[REQUEST.bits],
            )
            state[STATE.ready] += 1
            if state[STATE.awaited_chunk] == state[STATE.chunk]:
                state[STATE.awaited_chunk] = at.IDLE
                _schedule(world, at.HOST, 0, at.NORMAL)
            state[STATE.chunk] += 1
            state[STATE.stream_phase] = 0


@kernel_piece
def _store(world):  # type: ignore[no-untyped-def]
    """One store of a product's output, beside the product."""
    state = world.state
    medium, bits, op = state[STATE.store_medium], state[STATE.store_bits], state[STATE.store_op]
    if state[STATE.store_phase] == 0:
        state[STATE.store_phase] = 1
        if _must_wait(world.channels[medium], at.STORE):
            return
    if state[STATE.store_phase] == 1:
        state[STATE.store_phase], state[STATE.store_start] = 2, state[STATE.now]
        _schedule(world, at.STORE, _transfer_ticks(world, medium, bits), at.NORMAL)
        return
    _give(world, medium)
    _moved(world, state[STATE.store_start], medium, at.WRITE, op, bits)
    _add(world, state[STATE.now], at.OPERAND1_UNIT, at.DATA_READ, op, 0, bits)
    state[STATE.store_under_way] = 0
    if state[STATE.store_awaited]:
        state[STATE.store_awaited] = 0
        _schedule(world, at.HOST, 0, at.NORMAL)


# channels and the log ----------------------------------------------------------------------------


@kernel_part
def _must_wait(channel, client):  # type: ignore[no-untyped-def]
    """Hold a channel at once (False), or join those that wait for it (True)."""
    if channel[CHANNEL.held] == 0:
        channel[CHANNEL.held] = 1
        return False
    if channel[CHANNEL.waiting] == 0:
        channel[CHANNEL.first] = client
    elif channel[CHANNEL.waiting] == 1:
        channel[CHANNEL.second] = client
    else:
        channel[CHANNEL.third] = client
    channel[CHANNEL.waiting] += 1
    return True


@kernel_part
def _give(world, medium):  # type: ignore[no-untyped-def]
    """Return a channel; it goes to whoever has waited longest."""
    channel = world.channels[medium]
    if channel[CHANNEL.waiting] == 0:
        channel[CHANNEL.held] = 0
        return
    _schedule(world, channel[CHANNEL.first], 0, at.NORMAL)
    channel[CHANNEL.first], channel[CHANNEL.second] = (
        channel[CHANNEL.second],
        channel[CHANNEL.third],
    )
    channel[CHANNEL.waiting] -= 1


@kernel_part
def _transfer_ticks(world, number, bits):  # type: ignore[no-untyped-def]
    """Latency, then port words or the medium's rate, in whole cycles.

    A second has 10^12 ticks; the division is done in two steps of 10^6 to stay within 64 bits.
    """
    medium, period = world.media[number], world.state[STATE.period]
    data = -(-bits // medium[MEDIUM.port_bits]) * period
    rate = medium[MEDIUM.bits_per_second]
    if rate > 0:
        scaled = bits * 1_000_000
        rest = (scaled % rate) * 1_000_000
        data = max(data, scaled // rate * 1_000_000 - (-rest // rate))
    return -(-(medium[MEDIUM.latency_ticks] + data) // period) * period


@kernel_part
def _moved(world, start, medium, action, op, bits):  # type: ignore[no-untyped-def]
    """Note a transfer, and the pages that it opened."""
    unit, page_bits = at.FIRST_MEDIUM + medium, world.media[medium][MEDIUM.page_bits]
    _add(world, start, at.DMA_UNIT, at.TRANSFER, op, 1, bits)
    _add(world, start, unit, action, op, 1, bits)
    if page_bits > 0 and bits > 0:
        pages = -(-bits // page_bits)
        _add_until(world, start, start, unit, at.ACTIVATE, op, pages, 0)


@kernel_part
def _add(world, start, unit, action, op, count, bits):  # type: ignore[no-untyped-def]
    _add_until(world, start, world.state[STATE.now], unit, action, op, count, bits)


@kernel_part
def _add_until(world, start, end, unit, action, op, count, bits):  # type: ignore[no-untyped-def]
    state = world.state
    log, row = world.log, state[STATE.num_rows]
    log[LOG.start, row], log[LOG.end, row] = start, end
    log[LOG.unit, row], log[LOG.action, row], log[LOG.op, row] = unit, action, op
    log[LOG.count, row], log[LOG.bits, row] = count, bits
    state[STATE.num_rows] += 1


play = _kernel(sources_digest(kernels, serial_layout, serial_steps))
