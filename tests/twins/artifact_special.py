"""The plain twin of the special functions: the state machine on the twin's memory path."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.sim.artifact.parameters import PathParameters
from twins.artifact_products import (
    READ,
    WRITE,
    Board,
    Channel,
    Process,
    read_path,
    write_path,
)

_LANE_DEPTH = 4


def reference_special_cycles(
    path: PathParameters,
    passes: Sequence[Sequence[str]],
    rows: int,
    vectors: int,
    between: int,
    after: int,
) -> int:
    """Start command to done signal of a program whose last step, if `compute`, is a send.

    `between` states lie before the last pass of a row, `after` states behind it.
    """
    board = Board()
    requests, auxiliary, sent = board.channel(), board.channel(), board.channel()
    to_memory = board.relay(board.arbiter([requests], _LANE_DEPTH))
    results = board.arbiter([sent], _LANE_DEPTH)
    masks, data = write_path(board, path, results)
    vectors_out = read_path(board, path, to_memory, masks, data)
    activations = board.relay(board.arbiter([vectors_out], path.writeback_arbiter_depth))
    memory = board.arbiter([auxiliary], _LANE_DEPTH)
    parameters = board.relay(board.relay(board.relay(memory)))

    def fetch(request: Channel, answer: Channel) -> Process:
        yield from request.push(READ)
        yield
        while answer.take() is None:
            yield
        yield

    def machine() -> Process:
        yield
        yield
        for _ in range(rows):
            for number, steps in enumerate(passes):
                last_pass = number == len(passes) - 1
                if last_pass and number > 0:
                    yield from _idle(between)
                for _ in range(vectors):
                    for position, step in enumerate(steps):
                        if step == "activation":
                            yield from fetch(requests, activations)
                        elif step == "auxiliary":
                            yield from fetch(auxiliary, parameters)
                        else:
                            if last_pass and position == len(steps) - 1:
                                yield from sent.push(WRITE)
                            yield
            yield from _idle(after if len(passes) > 1 else after + between)
        board.done_cycle = board.cycle - 1
        while True:
            yield

    board.processes.append(machine())
    return board.run(10**6)


def _idle(cycles: int) -> Process:
    for _ in range(cycles):
        yield
