"""AXI transfers of the artifact: bursts of beats with a handshake around each burst.

A burst is requested only after the one before it has ended, and every store waits for its write
response, so cycles add up. A last partial beat is not transferred, as in the released source.
"""

from __future__ import annotations

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim.artifact.parameters import artifact_of
from edgesim.sim.artifact.registers import check_transfer
from edgesim.units import ceil_div

TRANSFERS = (
    "axi_load_input",
    "axi_load_aux",
    "axi_load_mask",
    "axi_store_input",
    "axi_store_mask",
)
_ELEMENT_BITS = 8


def transfer_cycles(chip: AcceleratorSpec, op: str, rows: int) -> int:
    """Start command to interrupt of a transfer of `rows` rows of n bytes, or of n mask bits.

    Raises InputError for an unknown transfer or one that is no single command.
    """
    if op not in TRANSFERS:
        raise InputError(f"transfer {op!r}; allowed: {', '.join(TRANSFERS)}")
    axi, n = artifact_of(chip).axi, chip.pu.vector_size
    masks = op.endswith("mask")
    beats = rows * n * (1 if masks else _ELEMENT_BITS) // axi.beat_bits
    check_transfer(chip, op, rows, beats)
    unpack = ceil_div(max(1, axi.beat_bits // n), axi.masks_per_cycle) if masks else 1
    per_burst = axi.load_burst_cycles if "_load_" in op else axi.store_burst_cycles
    bursts = ceil_div(beats, axi.burst_beats)
    return axi.start_cycles + bursts * per_burst + beats * max(axi.beat_cycles, unpack)
