"""The artifact's special-function state machines, walked state by state.

A machine waits for every vector it requests, so its time is the sum of its states, plus what it
loses at the mask memory: a vector that is sent travels through the encoder, a request straight
to the memory, and when both reach the arbiter together the one not granted last goes first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba as nb
import numpy as np

from edgesim.hw.spec import AcceleratorSpec, SfuProgram
from edgesim.sim.artifact.parameters import artifact_of
from edgesim.sim.artifact.registers import check_special_function

ACTIVATION, AUXILIARY, COMPUTE, SEND = 0, 1, 2, 3
_CODES = {"activation": ACTIVATION, "auxiliary": AUXILIARY, "compute": COMPUTE}


@nb.njit(cache=True, nogil=True)
def _walk(steps, ends, rows, vectors, costs, request_hop, send_hop, between, after):  # type: ignore[no-untyped-def]
    """Cycles of all states. `steps`: codes of all passes; `ends`: where each pass ends.

    `between` lies before the last pass, `after` behind it. `send_hop` is -1 when a send and a
    request have ports of their own.
    """
    cycle = 0
    send_arrival = -1
    read_was_last = False
    for _ in range(rows):
        first = 0
        for number in range(len(ends)):
            if number == len(ends) - 1 and number > 0:
                cycle += between
            for _ in range(vectors):
                for position in range(first, ends[number]):
                    code = steps[position]
                    if code == ACTIVATION:
                        arrival = cycle + request_hop
                        together = send_arrival == arrival
                        if together and read_was_last:
                            cycle += 1
                        read_was_last = send_arrival < arrival or (together and read_was_last)
                        send_arrival = -1
                    elif code == SEND and send_hop >= 0:
                        read_was_last = read_was_last and send_arrival < 0
                        send_arrival = cycle + send_hop
                    cycle += costs[code]
            first = ends[number]
        cycle += after if len(ends) > 1 else after + between
    return cycle


def program_steps(program: SfuProgram) -> tuple[list[int], list[int]]:
    """Step codes of all passes and where each pass ends; a last `compute` is a send."""
    steps: list[int] = []
    ends = []
    for names in program.passes:
        steps += [_CODES[name] for name in names]
        ends.append(len(steps))
    if steps and steps[-1] == COMPUTE:
        steps[-1] = SEND
    return steps, ends


def special_function_cycles(chip: AcceleratorSpec, kind: str, rows: int, vectors: int) -> int:
    """Start command to done signal of softmax, layernorm, add or entropy.

    `rows` rows of `vectors` n-vectors. Entropy takes one row per command; more rows are as many
    commands. Raises InputError when the counts do not fit the registers.
    """
    if kind == "entropy":
        check_special_function(chip, kind, 1, vectors)
        return rows * _command_cycles(chip, kind, 1, vectors)
    check_special_function(chip, kind, rows, vectors)
    return _command_cycles(chip, kind, rows, vectors)


def _command_cycles(chip: AcceleratorSpec, kind: str, rows: int, vectors: int) -> int:
    path = artifact_of(chip).special_functions
    program = chip.sfu.programs[kind]
    steps, ends = program_steps(program)
    after = min(path.row_end_cycles, program.row_cycles)
    shared = chip.buffers.operand0.ports == "1RW"
    costs: Sequence[int] = (chip.sfu.activation_fetch_cycles, chip.sfu.auxiliary_fetch_cycles, 1, 1)
    states = _walk(
        np.array(steps, dtype=np.int64),
        np.array(ends, dtype=np.int64),
        rows,
        vectors,
        np.array(costs, dtype=np.int64),
        path.request_hop_cycles,
        path.send_hop_cycles if shared else -1,
        program.row_cycles - after,
        after,
    )
    return int(states) + program.op_cycles
