"""The tile pipeline of one product: fetch, MAC, accumulate, drain, with finite buffers.

Per n x n x n tile: an operand tile is fetched, multiplied, and on the last reduction tile the
accumulator drains. Fetch waits for a free operand tile buffer, the first MAC of an output tile
for a free accumulator array. The recurrence is exact; it is also translation invariant, so once
two successive states differ by a constant only, the rest of a regular run is skipped exactly.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from types import ModuleType

import numba as nb
import numpy as np
from numpy.typing import NDArray

MAX_BUFFERS = 8
_COMPUTE_RING = 3
_DRAIN_RING = _COMPUTE_RING + MAX_BUFFERS
STATE_SIZE = _DRAIN_RING + MAX_BUFFERS
_BEFORE, _WITHIN = STATE_SIZE, 2 * STATE_SIZE
"""Room for two earlier states, behind the state."""
LOAD_END, COMPUTE_END, DRAIN_END = 0, 1, 2


kernel_part = nb.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""A function that only kernels call."""


def sources_digest(*modules: ModuleType) -> int:
    """A number that changes with the sources of modules; 0 where those cannot be read."""
    digest = 0
    for module in modules:
        if module.__file__ is not None and Path(module.__file__).is_file():
            digest = zlib.crc32(Path(module.__file__).read_bytes(), digest)
    return digest


def new_state() -> NDArray[np.int64]:
    """State of an idle array at cycle 0: last fetch, MAC and drain ends, and buffer releases."""
    return np.zeros(3 * STATE_SIZE, dtype=np.int64)


@kernel_part
def _output_tile(  # type: ignore[no-untyped-def]
    state, tiles, load, compute, drain, operands, accumulators, skip
):  # fmt: skip
    """Advance the state over the reduction tiles of one output tile and its drain."""
    tile = 0
    while tile < tiles:
        if skip:
            for i in range(_COMPUTE_RING + operands):
                state[_WITHIN + i] = state[i]
        load_start = max(state[0], state[_COMPUTE_RING + operands - 1])
        state[0] = load_start + load
        start = max(state[0], state[1])
        if tile == 0:
            start = max(start, state[_DRAIN_RING + accumulators - 1])
        state[1] = start + compute
        for i in range(operands - 1, 0, -1):
            state[_COMPUTE_RING + i] = state[_COMPUTE_RING + i - 1]
        state[_COMPUTE_RING] = state[1]
        tile += 1
        if skip and 1 < tile < tiles:
            shift = state[0] - state[_WITHIN]
            regular = state[1] - state[_WITHIN + 1] == shift
            for i in range(operands):
                entry = _COMPUTE_RING + i
                regular = regular and state[entry] - state[_WITHIN + entry] == shift
            if regular:
                jump = shift * (tiles - tile)
                state[0] += jump
                state[1] += jump
                for i in range(operands):
                    state[_COMPUTE_RING + i] += jump
                tile = tiles
    state[2] = max(state[1], state[2]) + drain
    for i in range(accumulators - 1, 0, -1):
        state[_DRAIN_RING + i] = state[_DRAIN_RING + i - 1]
    state[_DRAIN_RING] = state[2]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def advance_tiles(  # type: ignore[no-untyped-def]
    state, output_tiles, reduction_tiles, load, compute, drain, operands, accumulators,
    not_before, skip,
):  # fmt: skip
    """Advance `state` in place over `output_tiles` tiles whose operands arrive at `not_before`.

    `load`, `compute`, `drain` are cycles per tile; `operands` and `accumulators` are buffer
    counts. With `skip` the regular part is jumped over; the result is the same.
    """
    state[0] = max(state[0], not_before)
    done = 0
    while done < output_tiles:
        if skip:
            for i in range(STATE_SIZE):
                state[_BEFORE + i] = state[i]
        _output_tile(
            state, reduction_tiles, load, compute, drain, operands, accumulators, skip
        )  # fmt: skip
        done += 1
        if skip and done < output_tiles:
            shift = _used_shift(state, operands, accumulators)
            if shift >= 0:
                jump = shift * (output_tiles - done)
                for i in range(STATE_SIZE):
                    state[i] += jump
                done = output_tiles


@kernel_part
def _used_shift(state, operands, accumulators):  # type: ignore[no-untyped-def]
    """The constant by which the used entries differ from those of the state before, or -1."""
    shift = state[0] - state[_BEFORE]
    for i in range(_DRAIN_RING + accumulators):
        used = i < _COMPUTE_RING + operands or i >= _DRAIN_RING
        if used and state[i] - state[_BEFORE + i] != shift:
            return -1
    return shift
