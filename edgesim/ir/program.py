"""Command lists: what software asks of a chip that is driven start by start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProductReads:
    """What the masks of both operands make of one product command."""

    left_nonzeros: int
    """Non-zeros of the left block, each read once per column tile."""
    right_nonzeros: int
    """Non-zeros of the right block, each read once per row tile."""
    executed_dot_products: int
    """Dot products of two vectors that both hold a non-zero; the rest is gated."""
    output_nonzeros: int
    """Non-zeros among the results."""


@dataclass(frozen=True)
class Command:
    """One write of the start register, with the register writes before it."""

    start: str
    """`matmul`, `softmax`, `layernorm`, `add`, `entropy`, `dvfs` or an `axi_…` transfer."""
    sizes: tuple[int, ...] = ()
    """Product: row, reduction and column tiles. Special function: rows, vectors. Transfer: rows."""
    memory: int = 0
    """Memory (0 or 1) that a transfer fills or empties, or that takes the result."""
    register_writes: int = 0
    """Configuration writes before the start register."""
    register_reads: int = 0
    """Reads beside them: status, or a check of what was written."""
    idle_cycles: int = 0
    """Cycles before the first write in which software waits, or holds the reset."""
    reads: ProductReads | None = None
    """Of a product."""
    medium: str = ""
    """Storage that a transfer reads or writes."""


@dataclass(frozen=True)
class OpProgram:
    """The commands of one op in order, or the host's work on it."""

    op: str
    kind: str
    commands: tuple[Command, ...] = ()
    repeats: int = 1
    """How often the commands run: once per head."""
    medium: str = ""
    """Storage behind the AXI port and the host."""
    host_function: str = ""
    """What the host computes; empty for ops of the accelerator."""
    host_elements: int = 0
    host_read_bits: int = 0
    """Tensors that the host reads from the medium, and below writes to it."""
    host_write_bits: int = 0
    table: str = ""
    """Embedding table that the host reads; its rows come with the plan."""
    decides: bool = False
    """The host reads the exit status."""
