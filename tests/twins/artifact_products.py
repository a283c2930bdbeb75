"""The plain twin of the artifact's matmul path: one generator per process, one step per clock.

Every channel has a register at its output and one at its input; a message crosses between two
clock edges when the receiving register is free. A process runs at every edge until it waits.
Mechanism after the released SystemC (harvard-acc/EdgeBERT, hw/cmod) under cycle-accurate
channels; only the presence of messages is modelled, not their values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from edgesim.sim.artifact.parameters import PathParameters

Process = Generator[None, None, None]
READ, WRITE, PARTIAL, LAST = "read", "write", "partial", "last"


@dataclass
class Channel:
    """A link with one register at either end."""

    sent: str | None = None
    received: str | None = None

    def cross(self) -> None:
        """Move a message over if the far register is free."""
        if self.sent is not None and self.received is None:
            self.received, self.sent = self.sent, None

    def push(self, message: str) -> Process:
        """Wait until the near register is free, then fill it."""
        while self.sent is not None:
            yield
        self.sent = message

    def take(self) -> str | None:
        """The received message, or None at once."""
        message, self.received = self.received, None
        return message


@dataclass
class Board:
    """The channels and processes of one run and its clock."""

    channels: list[Channel] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    cycle: int = 0
    done_cycle: int | None = None

    def channel(self) -> Channel:
        """A new channel."""
        self.channels.append(Channel())
        return self.channels[-1]

    def relay(self, source: Channel, absorb: str = "") -> Channel:
        """A stage that hands messages on; `absorb` names those that end here."""
        target = self.channel()

        def stage() -> Process:
            while True:
                message = source.take()
                if message is not None and message != absorb:
                    yield from target.push(message)
                yield

        self.processes.append(stage())
        return target

    def arbiter(self, lanes: Sequence[Channel], depth: int) -> Channel:
        """A queue per lane, one grant per cycle, round robin downwards from the last grant."""
        target = self.channel()

        def stage() -> Process:
            queues: list[deque[str]] = [deque() for _ in lanes]
            last = 0
            while True:
                yield
                for lane, queue in zip(lanes, queues, strict=True):
                    message = lane.take() if len(queue) < depth else None
                    if message is not None:
                        queue.append(message)
                order = [(last - 1 - step) % len(lanes) for step in range(len(lanes))]
                granted = next((lane for lane in order if queues[lane]), None)
                if granted is not None:
                    last = granted
                    yield from target.push(queues[granted].popleft())

        self.processes.append(stage())
        return target

    def run(self, limit: int) -> int:
        """Clock until a process sets `done_cycle`; that cycle."""
        for cycle in range(limit):
            self.cycle = cycle
            for process in self.processes:
                next(process)
            if self.done_cycle is not None:
                return self.done_cycle
            for channel in self.channels:
                channel.cross()
        raise TimeoutError(f"not done after {limit} cycles")


def read_path(
    board: Board,
    path: PathParameters,
    requests: Channel,
    mask_writes: Channel | None,
    data_writes: Channel | None,
) -> Channel:
    """Mask request to dense vector: mask memory, decoder, data memory, output stages."""
    masks = _memory(board, path, path.mask_arbiter_depth, mask_writes, requests)
    addresses = board.relay(board.relay(board.relay(masks)))
    granted = board.arbiter([addresses], path.decoder_arbiter_depth)
    data = _memory(board, path, path.data_arbiter_depth, data_writes, granted)
    return board.relay(board.relay(board.relay(data)))


def _memory(
    board: Board, path: PathParameters, depth: int, writes: Channel | None, reads: Channel
) -> Channel:
    """Arbiter and memory; a write ends there, a read answers in order."""
    if writes is None:
        return board.relay(board.arbiter([reads], depth))
    if path.separate_ports:
        board.relay(board.arbiter([writes], depth), absorb=WRITE)
        return board.relay(board.arbiter([reads], depth))
    return board.relay(board.arbiter([writes, reads], depth), absorb=WRITE)


def write_path(board: Board, path: PathParameters, results: Channel) -> tuple[Channel, Channel]:
    """Results to (mask writes, data writes) of the destination memory, through the encoder."""
    encoder_in = board.arbiter([results], path.writeback_arbiter_depth)
    masks, data = board.channel(), board.channel()

    def encode() -> Process:
        position = 0
        while True:
            while encoder_in.take() is None:
                yield
            size = min(path.drain_vectors_per_cycle, path.vector_size - position)
            position = (position + size) % path.vector_size
            for _ in range(size):
                yield from masks.push(WRITE)
                yield from data.push(WRITE)
                yield

    board.processes.append(encode())
    return board.relay(masks), board.relay(data)


def reference_cycles(
    path: PathParameters, row_tiles: int, reduction_tiles: int, column_tiles: int
) -> int:
    """Start command to interrupt of a product of whole tiles."""
    board = Board()
    results = board.channel()
    writes = write_path(board, path, results)
    reads = row_tiles * reduction_tiles * column_tiles * path.vector_size
    operands = []
    for memory in (0, 1):
        requests = board.channel()
        board.processes.append(_requester(path, requests, reads))
        mask_writes, data_writes = writes if memory == path.destination else (None, None)
        vectors = read_path(board, path, requests, mask_writes, data_writes)
        operands.append(board.relay(vectors))
    partials, flags, drained = board.channel(), board.channel(), board.channel()
    board.processes.append(_datapath(path, operands, partials, flags, reduction_tiles))
    board.processes.append(_accumulator(path, partials, flags, drained))
    outputs = row_tiles * column_tiles * path.vector_size
    board.processes.append(_collector(board, path, drained, results, outputs))
    return board.run(1000 + reads * (8 + 64 // path.vector_size))


def _requester(path: PathParameters, requests: Channel, count: int) -> Process:
    """One mask request per cycle from the start on."""
    for _ in range(path.start_cycles):
        yield
    for _ in range(count):
        yield from requests.push(READ)
        yield
    while True:
        yield


def _datapath(
    path: PathParameters,
    operands: Sequence[Channel],
    partials: Channel,
    flags: Channel,
    reduction_tiles: int,
) -> Process:
    """Load n vector pairs, send n rows of partial sums, say whether the tile is complete."""
    tile = 0
    while True:
        for _ in range(path.vector_size):
            for operand in operands:
                while operand.take() is None:
                    yield
            yield
        for _ in range(path.vector_size):
            yield from partials.push(PARTIAL)
            yield
        tile = (tile + 1) % reduction_tiles
        yield from flags.push(PARTIAL if tile else LAST)
        yield


def _accumulator(
    path: PathParameters, partials: Channel, flags: Channel, drained: Channel
) -> Process:
    """Take partial sums; drain a complete tile, during which none are taken."""
    while True:
        partials.take()
        if flags.take() == LAST:
            for _ in range(0, path.vector_size, path.drain_vectors_per_cycle):
                yield from drained.push(WRITE)
                yield
        yield


def _collector(
    board: Board, path: PathParameters, drained: Channel, results: Channel, outputs: int
) -> Process:
    """Hand drained vectors to the encoder and interrupt one cycle after the last."""
    count = 0
    while count < outputs:
        if drained.take() is not None:
            step = min(path.drain_vectors_per_cycle, path.vector_size - count % path.vector_size)
            count += step
            yield from results.push(WRITE)
        yield
    board.done_cycle = board.cycle
    while True:
        yield
