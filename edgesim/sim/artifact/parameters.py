"""The sizes of the artifact's matmul path, as the kernel and its plain twin take them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from edgesim.errors import InputError
from edgesim.hw.artifact_spec import ArtifactSpec
from edgesim.hw.spec import AcceleratorSpec
from edgesim.tech import Technology
from edgesim.units import ceil_div

WORD_BITS = 64
"""Of a host copy."""


@dataclass(frozen=True)
class PathParameters:
    """Sizes that decide when a product stalls; nothing here is a stall."""

    vector_size: int
    """n: vectors per tile, and multipliers per dot product."""
    mask_arbiter_depth: int
    """Requests a lane of the arbiter before a mask memory holds."""
    data_arbiter_depth: int
    """The same before a data memory."""
    decoder_arbiter_depth: int
    """The same behind a decoder."""
    writeback_arbiter_depth: int
    """Messages a lane of the arbiter before the encoder holds."""
    separate_ports: bool
    """Memories write and read in the same cycle (1R1W)."""
    drain_vectors_per_cycle: int
    """Vectors of one message from accumulator to encoder."""
    start_cycles: int
    """Start command to the first mask request."""
    destination: int = 0
    """Memory (0 or 1) that takes the result."""


def artifact_of(chip: AcceleratorSpec) -> ArtifactSpec:
    """The artifact section of a chip. Raises InputError when it has none."""
    if chip.artifact is None:
        raise InputError(f"chip {chip.name}: no artifact section; use edgebert-hls or extend it")
    return chip.artifact


def copy_cycles(chip: AcceleratorSpec, technology: Technology, bits: int) -> int:
    """Cycles in which the host copies what a transfer moves; 0 where nothing says that it does."""
    if chip.silicon is None:
        return 0
    per_word = technology.value(chip.silicon.copy_cycles_entry)
    return ceil(ceil_div(bits, WORD_BITS) * per_word)


def path_parameters(chip: AcceleratorSpec, destination: int = 0) -> PathParameters:
    """The matmul path of a chip with an artifact section, writing to memory `destination`."""
    artifact = artifact_of(chip)
    memory = chip.buffers.operand1 if destination else chip.buffers.operand0
    return PathParameters(
        vector_size=chip.pu.vector_size,
        mask_arbiter_depth=artifact.arbiters.mask_depth,
        data_arbiter_depth=artifact.arbiters.data_depth,
        decoder_arbiter_depth=artifact.arbiters.decoder_depth,
        writeback_arbiter_depth=artifact.arbiters.writeback_depth,
        separate_ports=memory.ports == "1R1W",
        drain_vectors_per_cycle=chip.pu.drain_vectors_per_cycle,
        start_cycles=artifact.start_cycles,
        destination=destination,
    )
