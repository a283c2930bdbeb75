"""Counts that do not depend on time: MACs, gating, and accesses of the operand memories."""

from __future__ import annotations

from typing import NamedTuple

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.plan import PlannedOp
from edgesim.units import ceil_div


class Count(NamedTuple):
    """One unit's action of one op: how often, and how many bits."""

    unit: str
    action: str
    count: int  # type: ignore[assignment]
    bits: int


def product_counts(
    op: PlannedOp, chip: AcceleratorSpec, element_bits: int, repeat: int = 0
) -> list[Count]:
    """MACs and memory accesses of one command (one repeat) of a product, zero skipping included.

    A dot product of two n-vectors is gated when either vector holds no non-zero; memory lanes
    with a zero are not read. Weights are read once per row tile, activations once per column
    tile. Rows and columns that pad a tile have an empty mask.
    """
    n = chip.pu.vector_size
    if op.bands and op.bands[repeat] is not None:
        return _band_counts(op, chip, element_bits, repeat)
    row_tiles = sum(ceil_div(rows, n) for rows in op.row_blocks)
    column_tiles, reduction_tiles = ceil_div(op.columns, n), ceil_div(op.reduction, n)
    dots = row_tiles * column_tiles * reduction_tiles * n * n
    live_rows = op.rows * (1 - op.input_null_fraction)
    live_vectors = second_nonzeros = second_mask_bits = streamed = 0
    for chunk in op.chunks:
        live_vectors += chunk.live_vectors
        second_nonzeros += chunk.nonzeros
        second_mask_bits += chunk.mask_bits
        streamed += chunk.stored_bits
    if not op.chunks:
        live_vectors = op.columns * reduction_tiles
        second_nonzeros = round(op.columns * op.reduction * op.second_density)
        second_mask_bits = column_tiles * reduction_tiles * n * n
    executed = round(live_rows * live_vectors)
    first_reads = round(op.rows * op.reduction * op.input_density) * column_tiles
    outputs = op.rows * op.columns
    counts = [
        Count("pu", "mac", executed * n, 0),
        Count("pu", "mac_gated", (dots - executed) * n, 0),
        Count("operand0", "data_read", 0, second_nonzeros * element_bits * row_tiles),
        Count("operand0", "mask_read", 0, second_mask_bits * row_tiles),
        Count("operand1", "data_read", 0, first_reads * element_bits),
        Count("operand1", "mask_read", 0, row_tiles * column_tiles * reduction_tiles * n * n),
        Count("operand1", "data_write", 0, round(outputs * op.output_density) * element_bits),
        Count("operand1", "mask_write", 0, outputs),
    ]
    if op.fused_activation is not None:
        counts.append(Count("pu", "activation", outputs, 0))
    counts.append(Count("operand0", "data_write", 0, streamed * op.weight_passes))
    return counts


def _band_counts(
    op: PlannedOp, chip: AcceleratorSpec, element_bits: int, repeat: int
) -> list[Count]:
    """The same for one head of a band: every tile row against its own columns or reduction."""
    n = chip.pu.vector_size
    executed, dots, first, second, results = 0, 0, 0, 0, 0
    for piece in op.pieces(n, repeat):
        across, deep = ceil_div(piece.columns, n), ceil_div(piece.reduction, n)
        dots += across * deep * n * n
        executed += piece.rows * piece.columns * deep
        first += piece.rows * piece.reduction * across
        second += piece.columns * piece.reduction
        results += piece.rows * piece.columns
    executed = round(executed * (1 - op.input_null_fraction))
    data = {
        ("operand0", "data_read"): round(second * op.second_density),
        ("operand1", "data_read"): round(first * op.input_density),
        ("operand1", "data_write"): round(results * op.output_density),
    }
    masks = [
        Count("operand0", "mask_read", 0, dots),
        Count("operand1", "mask_read", 0, dots),
        Count("operand1", "mask_write", 0, op.rows * op.columns),
    ]
    macs = [Count("pu", "mac", executed * n, 0), Count("pu", "mac_gated", (dots - executed) * n, 0)]
    moved = [Count(unit, action, 0, k * element_bits) for (unit, action), k in data.items()]
    return [*macs, *moved, *masks]


def vector_counts(op: PlannedOp, chip: AcceleratorSpec, element_bits: int) -> list[Count]:
    """Elements and memory accesses of one command of a special-function or movement op."""
    elements = op.rows * op.reduction
    program = chip.sfu.programs.get(op.kind)
    if program is None:
        reads, auxiliary = elements * op.facts.reads_operands, 0
    else:
        reads = elements * program.activation_reads
        auxiliary = elements * program.auxiliary_reads
    written = op.facts.written_elements(op.rows, op.reduction)
    counts = [
        Count("sfu", op.kind, elements, 0),
        Count("operand1", "data_read", 0, round(reads * op.input_density) * element_bits),
        Count("operand1", "mask_read", 0, reads),
        Count("operand1", "data_write", 0, round(written * op.output_density) * element_bits),
        Count("operand1", "mask_write", 0, written),
        Count("auxiliary", "read", 0, auxiliary * element_bits),
        Count("auxiliary", "write", 0, op.parameter_bits),
    ]
    return [count for count in counts if count.count or count.bits]
