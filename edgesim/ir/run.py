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

    @cached_property
    def sequences(self) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.int64]]:
        """The different sequences of segments, and the number of each sentence's among them."""
        given = self.sentence_segments
        objects = np.fromiter(map(id, given), dtype=np.int64, count=len(given))
        _, first, of_object = np.unique(objects, return_index=True, return_inverse=True)
        numbers: dict[tuple[int, ...], int] = {}
        number_of = np.zeros(len(first), dtype=np.int64)
        for place in np.argsort(first):
            number_of[place] = numbers.setdefault(given[first[place]], len(numbers))
        return tuple(numbers), number_of[of_object]

    @cached_property
    def steps(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Segments of all different sequences end to end, and the sequence that each belongs to."""
        sequences, _ = self.sequences
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        flat = np.array([index for sequence in sequences for index in sequence], dtype=np.int64)
        return flat, np.repeat(np.arange(len(sequences)), lengths)

    def latency_ticks(self) -> NDArray[np.int64]:
        """Ticks from the first op's issue to the logits, per sentence."""
        sequences, of_sentence = self.sequences
        flat, owner = self.steps
        durations = np.array([segment.log.duration_ticks for segment in self.segments])
        ticks = np.zeros(len(sequences), dtype=np.int64)
        np.add.at(ticks, owner, durations[flat])
        return ticks[of_sentence]

    def segment_counts(self) -> NDArray[np.int64]:
        """How many sentences ran each segment."""
        sequences, of_sentence = self.sequences
        flat, owner = self.steps
        counts = np.zeros(len(self.segments), dtype=np.int64)
        np.add.at(counts, flat, np.bincount(of_sentence, minlength=len(sequences))[owner])
        return counts
