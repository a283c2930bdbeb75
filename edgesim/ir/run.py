"""SimulationRun: event logs of a workload on a chip, shared by sentences that repeat them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.eventlog import EventLog, JoinedLogs
from edgesim.ir.latency import OperatingPoint, VoltageSchedule


@dataclass(frozen=True)
class Segment:
    """A stretch of work between two barriers: the embedding, one layer, or one off-ramp."""

    label: str
    """`embedding`, `layer 3`, `off-ramp 3` or `epilogue`."""
    layer: int
    """1-based layer; 0 for the embedding, num_layers + 1 for the epilogue."""
    log: EventLog
    host_ticks: int
    """Part of the duration in which only the host works."""
    added_kinds: Mapping[str, str] = field(default_factory=dict)
    """Kinds of ops that the mapper added to those of the trace."""
    point: OperatingPoint | None = None
    """Voltage and clock that its events ran at; None is the chip's own."""


@dataclass(frozen=True, eq=False)
class SimulationRun:
    """Sentences as sequences of segments. Segments are separated by barriers, so they compose."""

    segments: tuple[Segment, ...]
    sentence_segments: tuple[tuple[int, ...], ...]
    """Indices into `segments`, in time order, per sentence."""
    exit_layers: NDArray[np.int64]
    """1-based layer after which each sentence left, (num_sentences,)."""
    num_tokens: NDArray[np.int64]
    """Simulated tokens of each sentence, after padding if asked for."""
    embedding_spill_rows: NDArray[np.int64]
    """Token rows of each sentence that were read from a medium behind the first."""
    schedule: VoltageSchedule | None = None
    """Operating points that a latency target led to; None where the chip kept its own."""

    @cached_property
    def joined(self) -> JoinedLogs:
        """All segments' logs as one, in the order of `segments`."""
        return JoinedLogs.of([segment.log for segment in self.segments])

    def event_points(self) -> NDArray[np.int64]:
        """Operating-point id of every event of `joined`; -1 is the chip's own clock."""
        ids = [-1 if segment.point is None else segment.point.number for segment in self.segments]
        owner = self.joined.log_of_op[self.joined.log.op]
        return np.array(ids, dtype=np.int64)[owner]

    @cached_property
    def sequences(self) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.int64]]:
        """The different sequences of segments, and the number of each sentence's among them."""
        numbers: dict[tuple[int, ...], int] = {}
        of_object: dict[int, int] = {}
        for sequence in self.sentence_segments:
            if id(sequence) not in of_object:
                of_object[id(sequence)] = numbers.setdefault(sequence, len(numbers))
        of_sentence = [of_object[id(sequence)] for sequence in self.sentence_segments]
        return tuple(numbers), np.array(of_sentence, dtype=np.int64)

    def latency_ticks(self) -> NDArray[np.int64]:
        """Ticks from the first op's issue to the logits, per sentence."""
        sequences, of_sentence = self.sequences
        durations = np.array([segment.log.duration_ticks for segment in self.segments])
        ticks: NDArray[np.int64] = np.array([durations[list(s)].sum() for s in sequences])
        return ticks[of_sentence]

    def segment_counts(self) -> NDArray[np.int64]:
        """How many sentences ran each segment."""
        sequences, of_sentence = self.sequences
        counts = np.zeros(len(self.segments), dtype=np.int64)
        times = np.bincount(of_sentence, minlength=len(sequences))
        for sequence, sentences in zip(sequences, times.tolist(), strict=True):
            np.add.at(counts, list(sequence), sentences)
        return counts
