"""The artifact's matmul path, clock by clock, on flat integer arrays.

A link has a register at either end (`sent`, `received`); a relay holds one message while its far
register is full. All state that decides the future is in four arrays,
with counts taken relative to the finished tiles; when the state after an output tile repeats,
the tiles in between repeat too and are jumped over exactly.
"""

from __future__ import annotations

import numba as nb
import numpy as np

# Links of one memory: request, after mask arbiter, …, decoded vector at the datapath.
REQUEST, MASK_GRANTED, MASK_READ, MASK_MERGED, MASK_DECODER = 0, 1, 2, 3, 4
ADDRESS, ADDRESS_GRANTED, DATA_GRANTED, DATA_READ, DATA_MERGED = 5, 6, 7, 8, 9
DECODED, VECTOR, OPERAND, LINKS_PER_MEMORY = 10, 11, 12, 13
# Links behind the datapath.
PARTIAL, FLAG, DRAINED, RESULT, ENCODER, MASK_OUT, DATA_OUT = 26, 27, 28, 29, 30, 31, 32
MASK_WRITE, DATA_WRITE, NUM_LINKS = 33, 34, 35
READ_TOKEN, WRITE_TOKEN = 1, 2
NOT_LAST, LAST = 1, 2
# Registers of the processes.
LOADED, SECOND, PHASE, TILE, DRAIN, ENCODE_LEFT, ENCODE_STAGE, ENCODE_AT = 0, 1, 2, 3, 4, 5, 6, 7
ISSUED, COLLECTED, FINISHED, NUM_REGISTERS = 8, 10, 11, 12
# Columns of `queues`: two lanes and the last grant of an arbiter.
NUM_ARBITERS = 7
RESULT_ARBITER = 6


@nb.njit(cache=True, nogil=True)
def _relay(sent, received, held, source, target):  # type: ignore[no-untyped-def]
    """Hand one message on, or hold it until the far register is free."""
    if held[target] != 0:
        if sent[target] == 0:
            sent[target] = held[target]
            held[target] = 0
    elif received[source] != 0:
        if sent[target] == 0:
            sent[target] = received[source]
        else:
            held[target] = received[source]
        received[source] = 0


@nb.njit(cache=True, nogil=True)
def _memory(sent, received, held, source, target):  # type: ignore[no-untyped-def]
    """A memory: a write ends here, a read goes on."""
    if held[target] == 0 and received[source] == WRITE_TOKEN:
        received[source] = 0
    else:
        _relay(sent, received, held, source, target)


@nb.njit(cache=True, nogil=True)
def _arbiter(sent, received, held, queues, arbiter, writes, reads, depth, target):  # type: ignore[no-untyped-def]
    """Two lanes (write first, -1 for none), one grant a cycle, round robin."""
    if held[target] != 0:
        if sent[target] == 0:
            sent[target] = held[target]
            held[target] = 0
        return
    if writes >= 0 and received[writes] != 0 and queues[arbiter, 0] < depth:
        received[writes] = 0
        queues[arbiter, 0] += 1
    if received[reads] != 0 and queues[arbiter, 1] < depth:
        received[reads] = 0
        queues[arbiter, 1] += 1
    first = 1 - queues[arbiter, 2]
    if queues[arbiter, first] == 0:
        first = 1 - first
    if queues[arbiter, first] == 0:
        return
    queues[arbiter, first] -= 1
    queues[arbiter, 2] = first
    message = READ_TOKEN if first == 1 else WRITE_TOKEN
    if sent[target] == 0:
        sent[target] = message
    else:
        held[target] = message


@nb.njit(cache=True, nogil=True)
def _read_path(sent, received, held, queues, memory, takes_result, depths, separate):  # type: ignore[no-untyped-def]
    """One clock of the way from mask request to operand vector of one memory."""
    base = memory * LINKS_PER_MEMORY
    mask_writes = MASK_WRITE if takes_result else -1
    data_writes = DATA_WRITE if takes_result else -1
    if separate and takes_result:
        received[MASK_WRITE] = 0
        received[DATA_WRITE] = 0
        mask_writes = data_writes = -1
    _arbiter(
        sent, received, held, queues, 3 * memory, mask_writes, base + REQUEST, depths[0],
        base + MASK_GRANTED,
    )  # fmt: skip
    _memory(sent, received, held, base + MASK_GRANTED, base + MASK_READ)
    for link in range(base + MASK_READ, base + ADDRESS):
        _relay(sent, received, held, link, link + 1)
    _arbiter(
        sent, received, held, queues, 3 * memory + 1, -1, base + ADDRESS, depths[2],
        base + ADDRESS_GRANTED,
    )  # fmt: skip
    _arbiter(
        sent, received, held, queues, 3 * memory + 2, data_writes, base + ADDRESS_GRANTED,
        depths[1], base + DATA_GRANTED,
    )  # fmt: skip
    _memory(sent, received, held, base + DATA_GRANTED, base + DATA_READ)
    for link in range(base + DATA_READ, base + OPERAND):
        _relay(sent, received, held, link, link + 1)


@nb.njit(cache=True, nogil=True)
def _datapath(sent, received, registers, n, reduction_tiles):  # type: ignore[no-untyped-def]
    """Load n pairs, send n rows of partial sums, then the flag; True after a complete tile."""
    if registers[PHASE] == 0:
        if registers[SECOND] == 0 and received[OPERAND] != 0:
            received[OPERAND] = 0
            registers[SECOND] = 1
        if registers[SECOND] == 1 and received[LINKS_PER_MEMORY + OPERAND] != 0:
            received[LINKS_PER_MEMORY + OPERAND] = 0
            registers[SECOND] = 0
            registers[LOADED] += 1
    elif registers[PHASE] == 1:
        if sent[PARTIAL] == 0:
            sent[PARTIAL] = 1
            registers[LOADED] += 1
    elif sent[FLAG] == 0:
        registers[PHASE] = 0
        registers[TILE] = (registers[TILE] + 1) % reduction_tiles
        sent[FLAG] = LAST if registers[TILE] == 0 else NOT_LAST
        return registers[TILE] == 0
    if registers[LOADED] == n:
        registers[LOADED] = 0
        registers[PHASE] += 1
    return False


@nb.njit(cache=True, nogil=True)
def _accumulator(sent, received, registers, n, width):  # type: ignore[no-untyped-def]
    """Take partial sums; drain a complete tile, during which none are taken."""
    if registers[DRAIN] >= n:
        registers[DRAIN] = -1
        return
    if registers[DRAIN] < 0:
        received[PARTIAL] = 0
        if received[FLAG] == LAST:
            registers[DRAIN] = 0
        received[FLAG] = 0
    if registers[DRAIN] >= 0 and sent[DRAINED] == 0:
        sent[DRAINED] = 1
        registers[DRAIN] += width


@nb.njit(cache=True, nogil=True)
def _encoder(sent, received, registers, n, width):  # type: ignore[no-untyped-def]
    """Split a message into vectors; a mask write and a data write for each."""
    if registers[ENCODE_LEFT] == 0:
        if received[ENCODER] == 0:
            return
        received[ENCODER] = 0
        registers[ENCODE_LEFT] = min(width, n - registers[ENCODE_AT])
        registers[ENCODE_AT] = (registers[ENCODE_AT] + registers[ENCODE_LEFT]) % n
    if registers[ENCODE_STAGE] == 0 and sent[MASK_OUT] == 0:
        sent[MASK_OUT] = WRITE_TOKEN
        registers[ENCODE_STAGE] = 1
    if registers[ENCODE_STAGE] == 1 and sent[DATA_OUT] == 0:
        sent[DATA_OUT] = WRITE_TOKEN
        registers[ENCODE_STAGE] = 0
        registers[ENCODE_LEFT] -= 1


@nb.njit(cache=True, nogil=True)
def _snapshot(sent, received, held, queues, registers, step, outputs):  # type: ignore[no-untyped-def]
    """All state as one array, counts relative to the finished output tiles."""
    relative = registers.copy()
    relative[ISSUED] -= registers[FINISHED] * step
    relative[ISSUED + 1] -= registers[FINISHED] * step
    relative[COLLECTED] -= registers[FINISHED] * outputs
    relative[FINISHED] = 0
    return np.concatenate((sent, received, held, queues.ravel(), relative))


@nb.njit(cache=True, nogil=True)
def product_cycles(  # type: ignore[no-untyped-def]
    n, output_tiles, reduction_tiles, depths, separate, width, start, destination, skip, limit
):
    """Start command to interrupt of a product of whole tiles, or -1 beyond `limit` cycles.

    `depths`: mask, data, decoder and write-back arbiter. `width`: vectors per drained message.
    With `skip`, repeating output tiles are jumped over; the result is the same.
    """
    sent = np.zeros(NUM_LINKS, dtype=np.int64)
    received = np.zeros(NUM_LINKS, dtype=np.int64)
    held = np.zeros(NUM_LINKS, dtype=np.int64)
    queues = np.zeros((NUM_ARBITERS, 3), dtype=np.int64)
    registers = np.zeros(NUM_REGISTERS, dtype=np.int64)
    registers[DRAIN] = -1
    step = reduction_tiles * n
    reads = output_tiles * step
    reference = _snapshot(sent, received, held, queues, registers, step, n)
    reference_cycle = reference_tile = 0
    cycle = start
    while cycle < limit:
        for memory in range(2):
            if registers[ISSUED + memory] < reads and sent[memory * LINKS_PER_MEMORY] == 0:
                sent[memory * LINKS_PER_MEMORY] = READ_TOKEN
                registers[ISSUED + memory] += 1
            _read_path(
                sent, received, held, queues, memory, memory == destination, depths, separate
            )
        complete = _datapath(sent, received, registers, n, reduction_tiles)
        _accumulator(sent, received, registers, n, width)
        if held[RESULT] == 0 and received[DRAINED] != 0:
            registers[COLLECTED] += min(width, n - registers[COLLECTED] % n)
        _relay(sent, received, held, DRAINED, RESULT)
        if registers[COLLECTED] == output_tiles * n and held[RESULT] == 0:
            return cycle + 1
        _arbiter(sent, received, held, queues, RESULT_ARBITER, -1, RESULT, depths[3], ENCODER)
        _encoder(sent, received, registers, n, width)
        _relay(sent, received, held, MASK_OUT, MASK_WRITE)
        _relay(sent, received, held, DATA_OUT, DATA_WRITE)
        for link in range(NUM_LINKS):
            if sent[link] != 0 and received[link] == 0:
                received[link] = sent[link]
                sent[link] = 0
        cycle += 1
        if complete:
            registers[FINISHED] += 1
        if complete and skip:
            state = _snapshot(sent, received, held, queues, registers, step, n)
            if np.array_equal(state, reference):
                period = registers[FINISHED] - reference_tile
                issued = max(registers[ISSUED], registers[ISSUED + 1])
                repeats = max(0, (reads - 1 - issued) // (period * step))
                cycle += repeats * (cycle - reference_cycle)
                registers[ISSUED] += repeats * period * step
                registers[ISSUED + 1] += repeats * period * step
                registers[COLLECTED] += repeats * period * n
                registers[FINISHED] += repeats * period
                skip = False
            elif registers[FINISHED] >= 2 * reference_tile:
                reference = state
                reference_cycle = cycle
                reference_tile = registers[FINISHED]
    return -1
