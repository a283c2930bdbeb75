"""Host programs of prologues: those of one length differ only in the rows that they read."""

from __future__ import annotations

from dataclasses import replace

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import EmbeddingRead, SegmentPlan
from edgesim.sim import steps as at
from edgesim.sim.host_program import SegmentWriter
from edgesim.sim.memory import Channels
from edgesim.sim.steps import HostProgram

_Row = tuple[int, int, int, int, int, int, int]
"""Channel, ticks, bits, unit, bits, unit and pages: the sequences of rows that are read."""


class ProloguePrograms:
    """Writes a prologue once; others with as many rows of each table follow from it."""

    def __init__(self, chip: AcceleratorSpec) -> None:
        self.chip = chip
        self._prologues: dict[object, _Prologue] = {}
        self._rows: dict[tuple[Channels, EmbeddingRead], _Row] = {}

    def program(self, plan: SegmentPlan, channels: Channels) -> HostProgram:
        """The steps of a prologue. `channels` are of the plan's media."""
        rows: dict[str, list[_Row]] = {}
        for read in plan.embedding_reads:
            row = self._rows.get((channels, read))
            if row is None:
                row = self._rows[channels, read] = _row(channels, read)
            rows.setdefault(read.table, []).append(row)
        sizes = [(table, len(own), any(pages for *_, pages in own)) for table, own in rows.items()]
        key = (id(plan.ops), channels, *sorted(sizes))
        known = self._prologues.get(key)
        if known is None:
            known = self._prologues[key] = _Prologue(SegmentWriter(plan, self.chip, channels))
        return known.reading(rows)


def _row(channels: Channels, read: EmbeddingRead) -> _Row:
    channel = channels.numbers[read.medium]
    ticks, pages = channels.reads[channel][read.bits]
    unit = at.FIRST_MEDIUM + channel
    return channel, ticks, read.bits, unit, read.bits, unit, pages


class _Prologue:
    """A prologue's program, and where the rows that it reads stand in it."""

    def __init__(self, writer: SegmentWriter) -> None:
        self.program, self.ops = writer.program(), writer.plan.ops
        self.places = list(zip(writer.read_tables, writer.row_places, strict=True))

    def reading(self, rows: dict[str, list[_Row]]) -> HostProgram:
        """The program with other rows in the place of those."""
        parts = self.program.parts.copy()
        for table, places in self.places:
            for place, numbers in zip(places, zip(*rows[table], strict=True), strict=False):
                parts[place] = numbers
        return replace(self.program, parts=parts)
