"""Storage behind its port: how long a transfer holds the channel."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.tech import Technology
from edgesim.units import ceil_div, period_ticks


@dataclass(frozen=True)
class MediumTiming:
    """One medium on a chip, in ticks."""

    medium: str
    latency_ticks: int
    """First access to first data, paid once per transfer."""
    bits_per_second: float
    """The slower of the port at chip clock and the medium."""
    port_bits: int
    period_ticks: int
    page_bits: int | None
    """Bits of a DRAM page; None where no page is opened."""

    def transfer_ticks(self, bits: int) -> int:
        """Ticks of one transfer: latency, then whole port words at the slower rate."""
        words = ceil_div(bits, self.port_bits)
        port_ticks = words * self.period_ticks
        medium_ticks = ceil_div(bits * 10**12, round(self.bits_per_second))
        return self.latency_ticks + max(port_ticks, medium_ticks)

    def pages(self, bits: int) -> int:
        """DRAM pages that a sequential transfer opens."""
        return 0 if self.page_bits is None else ceil_div(bits, self.page_bits)


def medium_timing(chip: AcceleratorSpec, technology: Technology, medium: str) -> MediumTiming:
    """Timing of a medium from the chip's port and the technology tables."""
    storage = chip.storage[storage_family(medium)]  # type: ignore[index]
    period = period_ticks(chip.clock.frequency_hz)
    port_rate = storage.port_bits * 1e12 / period
    if medium.startswith("lpddr"):
        latency_ns = technology.value(f"{medium}.access_latency_ns")
        rate = technology.value(f"{medium}.peak_bandwidth_gb_per_s") * 8e9
        page_bits = int(technology.value(f"{medium}.page_bytes")) * 8
        return MediumTiming(
            medium, round(latency_ns * 1000), min(rate, port_rate), storage.port_bits, period,
            page_bits,
        )  # fmt: skip
    latency_ns = technology.value(f"{medium}.read_latency_ns")
    latency = ceil_div(round(latency_ns * 1000), period) * period
    return MediumTiming(medium, latency, port_rate, storage.port_bits, period, None)
