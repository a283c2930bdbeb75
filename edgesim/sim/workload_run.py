"""A workload on a chip: distinct segments played once, sentences composed from them.

Segments are separated by barriers (no prefetch across a layer boundary), so a sentence is the
sequence of its segments and equal segments of different sentences share one event log.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.exits import RampRule
from edgesim.ir.plan import MappingPlan, SegmentPlan
from edgesim.ir.run import Segment, SimulationRun
from edgesim.sim.player import SegmentPlayer
from edgesim.sim.segment_logs import SegmentLogs, renamed_log
from edgesim.tech import Technology


@contextmanager
def collection_paused() -> Iterator[None]:
    """Cyclic garbage collection off: events are freed by reference counts, scanning them is lost.

    Measured: 10 to 35 % of a run, and no more memory.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class WorkloadSimulator:
    """Plays the segments of a mapped trace; a segment that was played is not played again.

    With `every_tile` the steady state of the tile pipeline is played too, not skipped. With `logs`,
    event logs are also shared with other simulators, of the same chip or of others.
    """

    def __init__(
        self, plans_of: MappingPlan, chip: AcceleratorSpec, technology: Technology,
        logs: SegmentLogs | None = None, every_tile: bool = False,
    ) -> None:  # fmt: skip
        self.plans_of = plans_of
        self.chip = chip
        self.technology = technology
        self.segments: list[Segment] = []
        self.plans: list[SegmentPlan] = []
        """The plan of every segment."""
        self._known: dict[object, int] = {}
        self._members: dict[tuple[str, int, int], int] = {}
        """Segment of every layer and off-ramp that was planned, by kind, index and length."""
        self._prologues: dict[object, tuple[int, int]] = {}
        """Segment and spilled rows of every embedding that was planned."""
        self._player = SegmentPlayer(chip, technology, every_tile)
        self._logs = None if logs is None else logs.of(chip, technology)

    def run(
        self, num_tokens: NDArray[np.int64], exit_layers: NDArray[np.int64], ramps: RampRule,
        token_ids: Sequence[NDArray[np.int64]] | None = None,
    ) -> SimulationRun:  # fmt: skip
        """Simulate sentences that leave after the given layers, running the ramps of a rule.

        Raises InputError for a sentence longer than the model allows.
        """
        self.check_lengths(num_tokens)
        alike, of_sentence = _alike(num_tokens, exit_layers, token_ids)
        rest: dict[tuple[int, int], tuple[int, ...]] = {}
        found = []
        with collection_paused():
            for row in alike.tolist():
                length, leave = int(num_tokens[row]), int(exit_layers[row])
                prologue, spilled = self.prologue(
                    length, None if token_ids is None else token_ids[row]
                )
                if (length, leave) not in rest:
                    layers = self.layers(length, 1, leave, ramps)
                    rest[length, leave] = (*layers, *self.epilogue(length))
                found.append(((prologue, *rest[length, leave]), spilled))
        kinds = [sequence for sequence, _ in found]
        sequences = tuple(map(kinds.__getitem__, of_sentence.tolist()))
        spilled_rows = np.array([rows for _, rows in found], dtype=np.int64)[of_sentence]
        return SimulationRun(tuple(self.segments), sequences, exit_layers, num_tokens, spilled_rows)

    def check_lengths(self, num_tokens: NDArray[np.int64]) -> None:
        """InputError for a sentence longer than the model allows."""
        longest = int(num_tokens.max())
        if longest > self.plans_of.trace.max_tokens:
            raise InputError(
                f"a sentence of {longest} tokens; the model allows {self.plans_of.trace.max_tokens}"
            )

    def prologue(self, length: int, ids: NDArray[np.int64] | None) -> tuple[int, int]:
        """Segment of a sentence's embedding, and its rows that spilled."""
        key = (length, None if ids is None else ids.tobytes())
        if key not in self._prologues:
            plan = self.plans_of.embedding(length, ids)
            self._prologues[key] = self._segment(plan), self._spilled_rows(plan)
        return self._prologues[key]

    def layers(
        self, length: int, first: int, leave: int, ramps: RampRule, last: int | None = None
    ) -> list[int]:
        """Segments of layers `first` to `last` (else to the exit) of a sentence that leaves at
        `leave`, with their ramps."""
        sequence = []
        for index in range(first, min(leave, last or leave) + 1):
            sequence.append(self._member(self.plans_of.layer, index, length))
            ends = index == leave or (ramps == "ends" and index == 1)
            if self.plans_of.trace.has_exits and (ramps == "every" or ends):
                sequence.append(self._member(self.plans_of.ramp, index, length))
        return sequence

    def _member(self, plan_of: Callable[[int, int], SegmentPlan], index: int, length: int) -> int:
        """Segment of a layer or an off-ramp at a length."""
        key = (plan_of.__name__, index, length)
        if key not in self._members:
            self._members[key] = self._segment(plan_of(index, length))
        return self._members[key]

    def epilogue(self, length: int) -> list[int]:
        """Segment of the ops behind the last layer, if there are any."""
        plan = self.plans_of.epilogue(length)
        return [] if plan is None else [self._segment(plan)]

    def _segment(self, plan: SegmentPlan) -> int:
        reads = plan.embedding_reads
        key = (plan.label, plan.num_tokens, id(reads) if reads else 0)
        number = self._known.get(key)
        if number is None:
            log = self._log(plan)
            number = self._known[key] = len(self.segments)
            self.plans.append(plan)
            added = {op.name: op.kind for op in plan.ops} if plan.programs else {}
            self.segments.append(Segment(plan.label, plan.layer, log, _host_ticks(log), added))
        return number

    def _log(self, plan: SegmentPlan) -> EventLog:
        twin = self._known.get((plan.repeats, plan.num_tokens, 0)) if plan.repeats else None
        if twin is not None:
            log, known = self.segments[twin].log, self.plans[twin]
            if self._logs is None:
                return renamed_log(log, known, plan)
            return self._logs.twin(log, known, plan)
        if self._logs is None:
            return self._player.log(plan)
        return self._logs.log(plan)

    def _spilled_rows(self, plan: SegmentPlan) -> int:
        first = self.chip.placement.embedding_weight[0]
        return sum(rows for medium, rows in plan.read_rows.items() if medium != first)


def _alike(
    num_tokens: NDArray[np.int64], exit_layers: NDArray[np.int64],
    token_ids: Sequence[NDArray[np.int64]] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """The first sentence of each kind that is alike to the chip, and the kind of every sentence."""
    if token_ids is None:
        pairs = num_tokens * (int(exit_layers.max(initial=0)) + 1) + exit_layers
        _, first, kinds = np.unique(pairs, return_index=True, return_inverse=True)
        return first, kinds
    numbers: dict[object, int] = {}
    rows = zip(num_tokens.tolist(), exit_layers.tolist(), token_ids, strict=True)
    kinds = np.array(
        [numbers.setdefault((n, leave, ids.tobytes()), len(numbers)) for n, leave, ids in rows],
        dtype=np.int64,
    )
    return np.unique(kinds, return_index=True)[1], kinds


def _host_ticks(log: EventLog) -> int:
    """Ticks of host work on ops that the chip lacks."""
    if "host" not in log.unit_names or "compute" not in log.action_names:
        return 0
    mine = (log.unit == log.unit_names.index("host")) & (
        log.action == log.action_names.index("compute")
    )
    return int(np.sum(log.end_ticks[mine] - log.start_ticks[mine]))
