"""The optional `artifact` section of a chip: what a cycle-exact model of released RTL needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rows = Annotated[int, Field(ge=1, le=65536)]
Depth = Annotated[int, Field(ge=1, le=4096)]
Cycles = Annotated[int, Field(ge=0, le=10**6)]
RegisterBits = Annotated[int, Field(ge=1, le=64)]
CommandName = Literal[
    "matmul", "softmax", "layernorm", "add", "entropy", "dvfs",
    "axi_load_input", "axi_load_mask", "axi_load_aux", "axi_store_input", "axi_store_mask",
]  # fmt: skip
COMMANDS: tuple[str, ...] = get_args(CommandName)
_OPERANDS = ("operand0", "operand1")


class ArtifactSection(BaseModel):
    """A part of the artifact section; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MemoryEntries(ArtifactSection):
    """Rows of the memories; with n lanes they give the bytes that `buffers` leaves out."""

    operand_rows: Rows
    """Masks of n bits, and bytes per bank, of one operand memory."""
    auxiliary_rows: Rows
    """Bytes per bank of the auxiliary memory."""


class ArbiterDepths(ArtifactSection):
    """Queue depths per lane of the arbiters on the matmul path; each grants one lane a cycle."""

    mask_depth: Depth
    """Before each mask memory: encoder writes against mask requests."""
    data_depth: Depth
    """Before each data memory: encoder writes against decoder reads."""
    decoder_depth: Depth
    """Behind each decoder."""
    writeback_depth: Depth
    """Before the encoder."""


class RegisterWidths(ArtifactSection):
    """Widths that limit a command; a larger one cannot be expressed or never ends."""

    matrix_size_bits: RegisterBits
    """Rows and columns of a product."""
    reduction_bits: RegisterBits
    """Reduction length of a product."""
    tile_count_bits: RegisterBits
    """Tiles of rows or columns in the decoders."""
    reduction_tile_bits: RegisterBits
    """Tiles along the reduction in the datapath."""
    vector_count_bits: RegisterBits
    """Vectors per row, and rows, of a special function."""
    transfer_row_bits: RegisterBits
    """Rows of a data or mask transfer, less one."""
    auxiliary_row_bits: RegisterBits
    """Rows of an auxiliary transfer, less one."""
    beat_count_bits: RegisterBits
    """Beats of a transfer."""
    base_bits: RegisterBits
    """Bases of operands and results; one number is both a mask index and a data byte address."""
    load_burst_bits: RegisterBits
    """Counter of the bursts of a load."""
    store_burst_bits: RegisterBits
    """Counter of the bursts of a store."""


class AxiSpec(ArtifactSection):
    """The AXI master: bursts of beats, and handshake cycles around them."""

    beat_bits: RegisterBits
    """Data bits of a beat."""
    burst_beats: Depth
    """Most beats of a burst."""
    beat_cycles: Annotated[int, Field(ge=1, le=1000)]
    """Cycles per beat that the far memory grants."""
    masks_per_cycle: Annotated[int, Field(ge=1, le=64)]
    """n-bit masks unpacked from, or packed into, a beat per cycle; data moves a beat at a time."""
    load_burst_cycles: Cycles
    """Address, arbiter and first data of one read burst, beyond its beats."""
    store_burst_cycles: Cycles
    """Address, memory read, arbiter and response of one write burst, beyond its beats."""
    start_cycles: Cycles
    """Start command to the first address."""
    whole_bursts: bool
    """A shorter last burst goes to a wrong address: beyond one burst, software moves whole ones."""


class SpecialFunctionPath(ArtifactSection):
    """What the state machines of `sfu.programs` meet in the operand memory.

    A program whose last step is `compute` sends its vector there, to the same memory it reads;
    send and next request contend for the mask memory when they reach its arbiter together.
    """

    request_hop_cycles: Cycles
    """Request state to arbiter of the mask memory."""
    send_hop_cycles: Cycles
    """Send state to arbiter of the mask memory, through the encoder."""
    row_end_cycles: Cycles
    """States of `row_cycles` that lie after the last pass."""
    dvfs_cycles: Cycles
    """Start command to done of the voltage-frequency choice."""


class CommandSequence(ArtifactSection):
    """What software writes before one kind of command, and when it hears of its end."""

    registers: tuple[str, ...]
    """Configuration registers written before the start register, which is not among them."""
    interrupt_cycles: Cycles
    """Start-register write to interrupt, beyond the cycles of the op itself."""


class CommandSpec(ArtifactSection):
    """How software drives the release."""

    reset_cycles: Cycles
    """Reset before a command that writes results: nothing else clears the encoder's counters."""
    register_read_cycles: Cycles
    """Cycles of one register read."""
    sequences: dict[CommandName, CommandSequence]
    """One per command."""

    @model_validator(mode="after")
    def _all_sequences(self) -> CommandSpec:
        missing = [name for name in COMMANDS if name not in self.sequences]
        if missing:
            raise ValueError(f"sequences lack {', '.join(missing)}; allowed: all of {COMMANDS}")
        return self


class ArtifactSpec(ArtifactSection):
    """Sizes, widths and handshakes of the released implementation."""

    start_cycles: Cycles
    """Start command of a product to its first mask request."""
    memories: MemoryEntries
    arbiters: ArbiterDepths
    registers: RegisterWidths
    axi: AxiSpec
    special_functions: SpecialFunctionPath
    commands: CommandSpec


def with_memory_sizes(values: Any) -> Any:
    """Chip values with the memory sizes that follow from rows and n, where the file gives none.

    Anything malformed is returned as it is and left to the field checks.
    """
    try:
        rows = values["artifact"]["memories"]
        lanes = int(values["pu"]["vector_size"])
        operand_rows, auxiliary_rows = int(rows["operand_rows"]), int(rows["auxiliary_rows"])
        buffers: Mapping[str, Any] = dict(values["buffers"])
        sizes = {"data": operand_rows * lanes, "mask": operand_rows * lanes // 8}
        filled = {name: {**_without(sizes, buffers[name]), **buffers[name]} for name in _OPERANDS}
    except (KeyError, TypeError, ValueError):
        return values
    auxiliary = _without({"auxiliary": auxiliary_rows * lanes}, buffers)
    return {**values, "buffers": {**auxiliary, **buffers, **filled}}


def _without(sizes: Mapping[str, int], given: Mapping[str, Any]) -> dict[str, str]:
    """Sizes with their unit whose keys, or field names, are not given."""
    return {
        key: f"{size} B"
        for key, size in sizes.items()
        if key not in given and f"{key}_bytes" not in given
    }
