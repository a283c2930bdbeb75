"""A workload on a chip whose voltage follows each sentence and its latency target.

After layer 1 (and its off-ramp, where it runs) the layer that the sentence is planned to is known.
The slowest operating point at which the rest up to that layer ends in time is chosen; where none
does, the sentence stays at full speed. Every segment is simulated at the point it runs at: the
core's ports follow its clock, memories keep their own rates and latencies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import UnreachableTargetError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.exits import ExitDecision
from edgesim.ir.latency import LatencyTarget, VoltageSchedule
from edgesim.ir.plan import MappingPlan, SegmentPlan
from edgesim.ir.run import Segment, SimulationRun
from edgesim.sim.operating_points import change_log, change_plan, change_ticks, operating_points
from edgesim.sim.segment_logs import SegmentLogs
from edgesim.sim.workload_run import WorkloadSimulator, collection_paused
from edgesim.tech import Technology
from edgesim.units import TICKS_PER_S

FULL_SPEED = -1


class ScheduledSimulator:
    """Workload simulators of every operating point, and the sentences composed from them."""

    def __init__(
        self, plans_of: MappingPlan, chip: AcceleratorSpec, technology: Technology,
        logs: SegmentLogs | None = None,
    ) -> None:  # fmt: skip
        self.plans_of = plans_of
        self.chip = chip
        self.technology = technology
        self.points, self.entries = operating_points(chip, technology)
        self._benches = [
            WorkloadSimulator(
                plans_of, chip.at(point.frequency_hz, point.voltage_v), technology, logs
            )
            for point in self.points
        ]
        self.segments: list[Segment] = []
        self.plans: list[SegmentPlan] = []
        """The plan of every segment."""
        self._numbers: dict[tuple[int, int], int] = {}
        self._changes: dict[tuple[int, int], int] = {}
        self._rests: dict[tuple[int, int, int, str], int] = {}
        self._last = len(self.points) - 1

    def run(
        self, num_tokens: NDArray[np.int64], decision: ExitDecision, target: LatencyTarget,
        token_ids: Sequence[NDArray[np.int64]] | None = None,
    ) -> SimulationRun:  # fmt: skip
        """Simulate sentences. InputError for a target that the fastest sentence cannot meet."""
        count = len(num_tokens)
        chosen = np.full(count, self._last, dtype=np.int64)
        decided = decision.exit_layers > 1
        full = self._benches[FULL_SPEED]
        full.check_lengths(num_tokens)
        with collection_paused():
            prologues = [full.prologue(int(n), ids) for n, ids in _rows(num_tokens, token_ids)]
            heads = [
                self._ticks(FULL_SPEED, (prologue, *self._head(int(n), int(planned), decision)))
                for (prologue, _), n, planned in zip(
                    prologues, num_tokens, decision.planned_layers, strict=True
                )
            ]
            targets = self._targets(num_tokens, target, prologues)
            self._refuse_hopeless(num_tokens, decision, target, heads, targets)
            sequences, ticks = [], []
            for row in range(count):
                if decided[row]:
                    chosen[row] = self._choose(
                        int(num_tokens[row]), int(decision.planned_layers[row]), decision,
                        int(targets[row]) - heads[row],
                    )  # fmt: skip
                sequence = self._sequence(
                    prologues[row][0], int(num_tokens[row]), int(decision.exit_layers[row]),
                    int(chosen[row]), decision,
                )  # fmt: skip
                sequences.append(sequence)
                ticks.append(sum(self.segments[i].log.duration_ticks for i in sequence))
        schedule = VoltageSchedule(
            self.points, chosen, decided, targets, np.array(ticks) > targets,
            decision.planned_layers, decision.unsure,
        )  # fmt: skip
        return SimulationRun(
            tuple(self.segments), tuple(sequences), decision.exit_layers, num_tokens,
            np.array([spilled for _, spilled in prologues], dtype=np.int64), schedule,
        )  # fmt: skip

    def _head(self, length: int, planned: int, decision: ExitDecision) -> list[int]:
        """Layer 1 and its ramp, where one runs."""
        return self._benches[FULL_SPEED].layers(length, 1, planned, decision.ramps, last=1)

    def _targets(
        self, num_tokens: NDArray[np.int64], target: LatencyTarget,
        prologues: Sequence[tuple[int, int]],
    ) -> NDArray[np.int64]:  # fmt: skip
        if target.seconds is not None:
            ticks = round(target.seconds * TICKS_PER_S)
            return np.full(len(num_tokens), ticks, dtype=np.int64)
        whole = [
            self._ticks(FULL_SPEED, (prologue,)) + self._rest(self._last, int(n), 0, None)
            for (prologue, _), n in zip(prologues, num_tokens, strict=True)
        ]
        return np.array([round(float(target.fraction or 0) * t) for t in whole], dtype=np.int64)

    def _refuse_hopeless(
        self, num_tokens: NDArray[np.int64], decision: ExitDecision, target: LatencyTarget,
        heads: Sequence[int], targets: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """UnreachableTargetError where no sentence could end in time, however early it left."""
        fastest = [
            head if decision.checks_entropy or planned == 1
            else head + self._rest(self._last, int(n), int(planned), decision)
            for head, n, planned in zip(heads, num_tokens, decision.planned_layers, strict=True)
        ]  # fmt: skip
        if (np.array(fastest) > targets).all():
            best = int(np.argmin(np.array(fastest) - targets))
            raise UnreachableTargetError(
                f"latency target {target.words()} is below the fastest possible run: "
                f"{fastest[best] / TICKS_PER_S:.3g} s for {int(num_tokens[best])} tokens on "
                f"{self.chip.name} at full speed; raise the target or choose a faster chip"
            )

    def _choose(self, length: int, planned: int, decision: ExitDecision, left: int) -> int:
        """The slowest point at which the rest takes at most `left` ticks; else full speed."""
        fastest = self.points[self._last]

        def fits(number: int) -> bool:
            change = change_ticks(fastest, self.points[number], self.technology)
            return change + self._rest(number, length, planned, decision) <= left

        if not fits(self._last):
            return self._last
        cycles = self._rest(self._last, length, planned, decision) * fastest.frequency_hz
        number = next(
            i for i, p in enumerate(self.points) if cycles <= left * p.frequency_hz or p == fastest
        )
        while not fits(number):
            number += 1
        while number > 0 and fits(number - 1):
            number -= 1
        return number

    def _rest(self, number: int, length: int, planned: int, decision: ExitDecision | None) -> int:
        """Ticks behind layer 1 up to the planned layer; without a decision, of all layers."""
        rule = "whole" if decision is None else decision.ramps
        key = (number, length, planned, rule)
        if key not in self._rests:
            bench = self._benches[number]
            layers = self.plans_of.trace.num_layers if decision is None else planned
            first = 1 if decision is None else 2
            indices = bench.layers(length, first, layers, "last" if rule == "whole" else rule)
            self._rests[key] = self._ticks(number, (*indices, *bench.epilogue(length)))
        return self._rests[key]

    def _ticks(self, number: int, indices: Sequence[int]) -> int:
        segments = self._benches[number].segments
        return sum(segments[index].log.duration_ticks for index in indices)

    def _sequence(
        self, prologue: int, length: int, leave: int, number: int, decision: ExitDecision
    ) -> tuple[int, ...]:
        """Segments of one sentence: layer 1 at full speed, a change, the rest."""
        full, bench = self._benches[FULL_SPEED], self._benches[number]
        head = [prologue, *full.layers(length, 1, leave, decision.ramps, last=1)]
        sequence = [self._number(self._last, index) for index in head]
        if leave > 1:
            if number != self._last:
                sequence.append(self._change(length, number))
            rest = bench.layers(length, 2, leave, decision.ramps)
            sequence += [self._number(number, index) for index in rest]
        ended = number if leave > 1 else self._last
        ending = self._benches[ended].epilogue(length)
        return (*sequence, *(self._number(ended, index) for index in ending))

    def _number(self, point: int, index: int) -> int:
        """Number of a point's segment among all that sentences ran."""
        key = (point, index)
        if key not in self._numbers:
            bench = self._benches[point]
            self._append(bench.segments[index], bench.plans[index], point)
            self._numbers[key] = len(self.segments) - 1
        return self._numbers[key]

    def _change(self, length: int, point: int) -> int:
        key = (length, point)
        if key not in self._changes:
            log = change_log(self.points[self._last], self.points[point], self.technology)
            plan = change_plan(length)
            kinds = {op.name: op.kind for op in plan.ops}
            self._append(Segment(plan.label, plan.layer, log, 0, kinds), plan, self._last)
            self._changes[key] = len(self.segments) - 1
        return self._changes[key]

    def _append(self, segment: Segment, plan: SegmentPlan, point: int) -> None:
        here = Segment(
            segment.label, segment.layer, segment.log, segment.host_ticks, segment.added_kinds,
            self.points[point],
        )  # fmt: skip
        self.segments.append(here)
        self.plans.append(plan)


def _rows(
    num_tokens: NDArray[np.int64], token_ids: Sequence[NDArray[np.int64]] | None
) -> list[tuple[int, NDArray[np.int64] | None]]:
    ids = [None] * len(num_tokens) if token_ids is None else token_ids
    return list(zip(num_tokens.tolist(), ids, strict=True))
