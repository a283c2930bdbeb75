"""A table of steps played by one numba kernel, in the order in which SimPy would play it.

Three lanes share slots and channels: the host with the unit that it waits for, the weight stream,
and a store that drains behind a product. Each has at most one event to come. Events follow each
other as in SimPy, by time, urgency and order of scheduling, so that both give the same ticks, ties
included. All tables are flat: a view of a row costs more than the step that reads it.
"""

from __future__ import annotations

from struct import pack
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim import kernels
from edgesim.sim import steps as at
from edgesim.sim.kernels import (
    DRAIN_END,
    LOAD_END,
    STATE_SIZE,
    advance_tiles,
    kernel_part,
    sources_digest,
)
from edgesim.sim.steps import EVENT_SIZE, STEP_SIZE, HostProgram, Played, unroll
from edgesim.units import ceil_div, period_ticks

PERIOD, VECTOR_SIZE, DRAIN_CYCLES, OPERAND_BUFFERS, ACCUMULATORS, FILL_CYCLES, SKIPS = range(7)
"""Entries of the state that do not change."""
(NOW, ENDED, FREE_SLOTS, FETCHED, AWAITED, PRODUCT_BEGIN, DECODED, SCHEDULED, FETCH_WAITER,
 SLOT_WAITER, STORE_WAITER) = range(7, 18)  # fmt: skip
"""Fetches that have ended and the one that is awaited; when the last row is decoded; a waiter is a
lane, or 0 while none waits."""
HOST, STREAM, STORE, CHANNELS = 18, 22, 26, 30
"""Where the entries of each lane, and of the first channel, begin."""
NEXT_TICK, RANK, NEXT_STEP, PHASE = range(4)
"""Entries of a lane: its next event, which of those at equal ticks is first, and its step."""
HELD, FIRST_WAITER, SECOND_WAITER, CHANNEL_SIZE = range(4)
"""Entries of a channel."""
BEGINS, IN_QUEUE, GOES_ON = range(3)
"""Phases of a step; a transfer is in queue for its channel."""
IDLE = 2**62
"""Tick of a lane that has no event to come."""
URGENT = 2**40
"""Lead in rank of a store's first event."""


_unroll = kernel_part(unroll)


@kernel_part
def _wake(state, lane, tick):  # type: ignore[no-untyped-def]
    """Let a lane go on at a tick, behind all events that were scheduled for it before."""
    state[lane + NEXT_TICK] = tick
    state[lane + RANK] = state[SCHEDULED]
    state[SCHEDULED] += 1


@kernel_part
def _sleeps(state, lane, tick):  # type: ignore[no-untyped-def]
    """Let a lane go on at a tick; False if it can at once, as no other lane has an event before."""
    if (
        state[HOST + NEXT_TICK] > tick
        and state[STREAM + NEXT_TICK] > tick
        and state[STORE + NEXT_TICK] > tick
    ):
        state[NOW] = tick
        return False
    _wake(state, lane, tick)
    return True


@kernel_part
def _transfers(state, ticks, lane, place, channel, duration):  # type: ignore[no-untyped-def]
    """Hold a channel for one transfer; True while that is under way."""
    if state[lane + PHASE] == BEGINS and state[channel + HELD] != 0:
        state[lane + PHASE] = IN_QUEUE
        waiter = FIRST_WAITER if state[channel + FIRST_WAITER] == 0 else SECOND_WAITER
        state[channel + waiter] = lane
        return True
    if state[lane + PHASE] != GOES_ON:
        state[channel + HELD] = 1
        state[lane + PHASE] = GOES_ON
        ticks[0, place] = state[NOW]
        if _sleeps(state, lane, state[NOW] + duration):
            return True
    waiter = state[channel + FIRST_WAITER]
    if waiter == 0:
        state[channel + HELD] = 0
    else:
        _wake(state, waiter, state[NOW])
        state[channel + FIRST_WAITER] = state[channel + SECOND_WAITER]
        state[channel + SECOND_WAITER] = 0
    return False


@kernel_part
def _gets_slot(state, lane):  # type: ignore[no-untyped-def]
    """Take a free slot of the weight stream; False if the lane has to wait for one."""
    if state[FREE_SLOTS] == 0:
        state[SLOT_WAITER] = lane
        return False
    state[FREE_SLOTS] -= 1
    return True


@kernel_part
def _starts_store(state, lane, place):  # type: ignore[no-untyped-def]
    """Let the store lane take a step; False if the lane has to wait for the store before."""
    if state[STORE + NEXT_STEP] != 0:
        state[STORE_WAITER] = lane
        return False
    state[STORE + NEXT_STEP] = place
    state[STORE + NEXT_TICK] = state[NOW]
    state[STORE + RANK] = state[SCHEDULED] - URGENT
    state[SCHEDULED] += 1
    return True


@kernel_part
def _array_end(steps, state, tiles, row):  # type: ignore[no-untyped-def]
    """When the array has fetched the last operand of a piece, or has drained."""
    if steps[row + at.KIND] == at.DRAIN:
        cycle = tiles[DRAIN_END] + state[FILL_CYCLES]
    else:
        n = state[VECTOR_SIZE]
        not_before = -((state[PRODUCT_BEGIN] - state[NOW]) // state[PERIOD])
        advance_tiles(
            tiles, steps[row + at.PLACE], steps[row + at.NUMBER], n, n, state[DRAIN_CYCLES],
            state[OPERAND_BUFFERS], state[ACCUMULATORS], not_before, state[SKIPS] != 0,
        )  # fmt: skip
        cycle = tiles[LOAD_END]
    return state[PRODUCT_BEGIN] + cycle * state[PERIOD]


@kernel_part
def _works(steps, state, tiles, lane, row):  # type: ignore[no-untyped-def]
    """Work for a known time; True while it lasts."""
    if state[lane + PHASE] == GOES_ON:
        return False
    state[lane + PHASE] = GOES_ON
    kind = steps[row + at.KIND]
    if kind == at.WORK:
        return _sleeps(state, lane, state[NOW] + steps[row + at.TICKS])
    end = state[DECODED]
    if kind in (at.TILES, at.DRAIN):
        end = _array_end(steps, state, tiles, row)
    return end > state[NOW] and _sleeps(state, lane, end)


@kernel_part
def _waits(steps, state, tiles, lane, row):  # type: ignore[no-untyped-def]
    """Act at once or wait for another lane; True while that has to come."""
    kind = steps[row + at.KIND]
    if kind == at.AWAIT_FETCH:
        if state[FETCHED] <= steps[row + at.PLACE]:
            state[AWAITED] = steps[row + at.PLACE]
            state[FETCH_WAITER] = lane
            return True
    elif kind == at.AWAIT_STORE:
        if state[STORE + NEXT_STEP] != 0:
            state[STORE_WAITER] = lane
            return True
    elif kind == at.GIVE_SLOT:
        state[FREE_SLOTS] += 1
        if state[SLOT_WAITER] != 0:
            _wake(state, state[SLOT_WAITER], state[NOW])
            state[SLOT_WAITER] = 0
    elif kind == at.BEGIN_PRODUCT:
        for entry in range(STATE_SIZE):
            tiles[entry] = 0
        state[PRODUCT_BEGIN] = state[NOW]
    else:
        state[DECODED] = state[NOW]
    return False


@kernel_part
def _ends(state, lane, kind):  # type: ignore[no-untyped-def]
    """The end of a lane; of the host's, which ends the segment, behind all events of its tick."""
    if kind == at.END:
        state[ENDED] = state[lane + PHASE] == GOES_ON
        state[lane + PHASE] = GOES_ON
        _wake(state, lane, state[NOW])


@kernel_part
def _follows(steps, state, ticks, lane, place, kind):  # type: ignore[no-untyped-def]
    """What the end of a step brings; True where the lane's next step follows at once."""
    now = state[NOW]
    ticks[1, place] = now
    state[lane + PHASE] = BEGINS
    state[lane + NEXT_STEP] = place + 1
    if kind == at.FETCH:
        if state[FETCH_WAITER] != 0 and state[FETCHED] == state[AWAITED]:
            _wake(state, state[FETCH_WAITER], now)
            state[FETCH_WAITER] = 0
        state[FETCHED] += 1
    elif kind == at.DECODE_ROW:
        ticks[0, place] = now
        state[DECODED] = now + steps[place * at.STEP_SIZE + at.TICKS]
        ticks[1, place] = state[DECODED]
    elif kind == at.STORE:
        state[lane + NEXT_STEP] = 0
        if state[STORE_WAITER] != 0:
            _wake(state, state[STORE_WAITER], now)
            state[STORE_WAITER] = 0
        return False
    return True


@kernel_part
def _goes_on(steps, state, tiles, ticks, lane):  # type: ignore[no-untyped-def]
    """Begin or resume the step of a lane; True where the lane's next step follows at once."""
    place = state[lane + NEXT_STEP]
    row = place * at.STEP_SIZE
    kind = steps[row + at.KIND]
    begins = state[lane + PHASE] == BEGINS
    if kind == at.STORE and lane != STORE:
        if not _starts_store(state, lane, place):
            return False
        state[lane + NEXT_STEP] += 1
        return True
    if begins:
        ticks[0, place] = state[NOW]
    if kind <= at.STORE:
        if kind == at.FETCH and begins and not _gets_slot(state, lane):
            return False
        channel = CHANNELS + steps[row + at.PLACE] * CHANNEL_SIZE
        stays = _transfers(state, ticks, lane, place, channel, steps[row + at.TICKS])
    elif kind <= at.AWAIT_ROWS:
        stays = _works(steps, state, tiles, lane, row)
    elif kind < at.END:
        stays = _waits(steps, state, tiles, lane, row)
    else:
        _ends(state, lane, kind)
        stays = True
    return not stays and _follows(steps, state, ticks, lane, place, kind)


@kernel_part
def _first(state):  # type: ignore[no-untyped-def]
    """The lane with the first event to come; 0 if no lane has any."""
    first, tick = 0, IDLE
    for lane in (HOST, STREAM, STORE):
        other = state[lane + NEXT_TICK]
        if other < tick or (other == tick < IDLE and state[lane + RANK] < state[first + RANK]):
            first, tick = lane, other
    return first


def _kernel(version: int) -> Any:
    """`play`, compiled again whenever the sources of its parts change.

    Numba's cache looks at the file of the kernel alone; what the kernel closes over is part of
    its key.
    """

    @nb.njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
    def play(parts, state, tiles, steps, events, ticks):  # type: ignore[no-untyped-def]
        """Write out steps and events, then note when each step begins and ends.

        `state` has not ended where nothing can move.

        All of it is one kernel because a new process loads compiled code kernel by kernel, and
        one load takes longer than a layer.
        """
        _ = version
        _unroll(parts, steps, events)
        while state[ENDED] == 0:
            lane = _first(state)
            if lane == 0:
                break
            state[NOW] = state[lane + NEXT_TICK]
            state[lane + NEXT_TICK] = IDLE
            while _goes_on(steps, state, tiles, ticks, lane):
                pass
        if state[SLOT_WAITER] != 0:
            state[ENDED] = 0

    return play


play = _kernel(sources_digest(kernels, at))


def play_serial(
    program: HostProgram, chip: AcceleratorSpec, every_tile: bool = False
) -> Played | None:
    """A segment played to its end; None where work remains and nothing can move.

    The program must not be `concurrent`.
    """
    parts = np.frombuffer(pack(f"{len(program.parts)}q", *program.parts), np.int64)
    state = _first_state(program, chip, every_tile)
    steps = np.empty(program.num_steps * STEP_SIZE, np.int64)
    events = np.empty(program.num_events * EVENT_SIZE, np.int64)
    ticks = np.full((2, program.num_steps), at.NOT_YET, np.int64)
    play(parts, state, kernels.new_state(), steps, events, ticks)
    if not state[ENDED]:
        return None
    return Played(int(state[NOW]), events.reshape(-1, EVENT_SIZE), ticks)


def _first_state(
    program: HostProgram, chip: AcceleratorSpec, every_tile: bool
) -> NDArray[np.int64]:
    """What the lanes find before the first tick."""
    pu = chip.pu
    state = np.zeros(CHANNELS + program.num_channels * CHANNEL_SIZE, np.int64)
    state[:NOW] = (
        period_ticks(chip.clock.frequency_hz), pu.vector_size,
        ceil_div(pu.vector_size, pu.drain_vectors_per_cycle), pu.operand_tile_buffers,
        pu.accumulator_buffers, pu.pipeline_fill_cycles, not every_tile,
    )  # fmt: skip
    state[FREE_SLOTS] = program.stream_slots
    state[STREAM + NEXT_STEP] = program.lanes[0]
    state[STORE + NEXT_TICK] = IDLE
    state[HOST + RANK], state[SCHEDULED] = 1, 2
    return state
