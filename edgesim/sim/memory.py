"""Storage behind its port: how long a transfer holds the channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.plan import EmbeddingRead
from edgesim.tech import Technology, medium_of
from edgesim.units import TICKS_PER_S, ceil_div, period_ticks


@dataclass(frozen=True)
class MediumTiming:
    """One medium on a chip, in ticks."""

    medium: str
    latency_ticks: int
    """First access to first data, paid once per transfer."""
    bits_per_second: int | None
    """The medium's own rate; None where its port is the only limit."""
    port_bits: int
    period_ticks: int
    page_bits: int | None
    """Bits of a DRAM page; None where no page is opened."""
    write_ticks: int | None = None
    """Pulse that writes one port word; None where words are written at the rate of reading."""

    def transfer_ticks(self, bits: int, writes: bool = False) -> int:
        """Ticks of one transfer: latency, then port words or the medium's rate, whole cycles.

        Whole cycles because the accelerator sees the data at its next clock edge. Where a word
        takes a pulse to write, words follow each other pulse by pulse (no banks written at once).
        """
        if writes and self.write_ticks is not None:
            word_ticks = max(self.period_ticks, self.write_ticks)
            pulses = ceil_div(bits, self.port_bits) * word_ticks
            return ceil_div(pulses, self.period_ticks) * self.period_ticks
        data_ticks = ceil_div(bits, self.port_bits) * self.period_ticks
        if self.bits_per_second is not None:
            data_ticks = max(data_ticks, ceil_div(bits * TICKS_PER_S, self.bits_per_second))
        return ceil_div(self.latency_ticks + data_ticks, self.period_ticks) * self.period_ticks

    def pages(self, bits: int) -> int:
        """DRAM pages that a sequential transfer opens."""
        return 0 if self.page_bits is None else ceil_div(bits, self.page_bits)


class Transfers(dict[int, tuple[int, int]]):
    """Ticks and opened DRAM pages of transfers to or from a medium, by bits; computed once each."""

    def __init__(self, medium: MediumTiming, writes: bool) -> None:
        super().__init__()
        self.medium, self.writes = medium, writes

    def __missing__(self, bits: int) -> tuple[int, int]:
        self[bits] = self.medium.transfer_ticks(bits, self.writes), self.medium.pages(bits)
        return self[bits]


class Channels:
    """The channels of several media, numbered in their order."""

    def __init__(self, timing: Sequence[MediumTiming]) -> None:
        self.timing = tuple(timing)
        self.numbers = {medium.medium: number for number, medium in enumerate(timing)}
        self.reads = [Transfers(medium, False) for medium in timing]
        self.writes = [Transfers(medium, True) for medium in timing]

    def rows(self, reads: Iterable[EmbeddingRead], table: str) -> tuple[list[int], list[int]]:
        """Channel and bits of every row that is read from a table."""
        own = [read for read in reads if read.table == table]
        return [self.numbers[read.medium] for read in own], [read.bits for read in own]


def medium_timing(chip: AcceleratorSpec, technology: Technology, medium: str) -> MediumTiming:
    """Timing of a medium from the chip's port and the technology tables."""
    storage = chip.storage[storage_family(medium)]
    period = period_ticks(chip.clock.frequency_hz)
    if medium_of(medium).is_dram:
        latency_ns = technology.value(f"{medium}.access_latency_ns")
        rate = round(technology.value(f"{medium}.peak_bandwidth_gb_per_s") * 8e9)
        page_bits = int(technology.value(f"{medium}.page_bytes")) * 8
        return MediumTiming(
            medium, round(latency_ns * 1000), rate, storage.port_bits, period, page_bits
        )
    latency_ns = technology.value(f"{medium}.read_latency_ns")
    write_ticks = None
    if medium_of(medium).is_non_volatile and chip.can_write(medium):
        write_ticks = round(technology.value(f"{medium}.write_latency_ns") * 1000)
    return MediumTiming(
        medium, round(latency_ns * 1000), None, storage.port_bits, period, None, write_ticks
    )
