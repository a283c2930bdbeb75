"""Commands that the artifact's registers and memories cannot hold, all named at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim.artifact.parameters import artifact_of


@dataclass(frozen=True)
class _Limit:
    what: str
    given: int
    largest: int


def check_product(chip: AcceleratorSpec, rows: int, reduction: int, columns: int) -> None:
    """Raise InputError when a product of these (padded) sizes is no single command."""
    artifact = artifact_of(chip)
    registers, n = artifact.registers, chip.pu.vector_size
    size, tiles = 2**registers.matrix_size_bits - 1, 2**registers.tile_count_bits - 1
    masks = artifact.memories.operand_rows
    _raise(
        f"matmul of {rows} x {reduction} x {columns}",
        (
            _Limit("rows (m)", rows, min(size, tiles * n)),
            _Limit("columns (n)", columns, min(size, tiles * n)),
            _Limit("reduction (k)", reduction, 2**registers.reduction_bits - 1),
            _Limit("tiles of the reduction", reduction // n, 2**registers.reduction_tile_bits - 1),
            _Limit("vectors of the left operand", rows // n * reduction, masks),
            _Limit("vectors of the right operand", columns // n * reduction, masks),
        ),
    )


def check_special_function(chip: AcceleratorSpec, op: str, rows: int, vectors: int) -> None:
    """Raise InputError when a special function of these sizes is no single command."""
    count = 2 ** artifact_of(chip).registers.vector_count_bits - 1
    _raise(op, (_Limit("rows (m)", rows, count), _Limit("vectors per row", vectors, count)))


def check_transfer(chip: AcceleratorSpec, op: str, rows: int, beats: int) -> None:
    """Raise InputError when an AXI transfer is no single command."""
    registers = artifact_of(chip).registers
    auxiliary = op == "axi_load_aux"
    row_bits = registers.auxiliary_row_bits if auxiliary else registers.transfer_row_bits
    _raise(
        op,
        (
            _Limit("rows (m)", rows, 2**row_bits),
            _Limit("beats", beats, 2**registers.beat_count_bits - 1),
        ),
    )


def _raise(op: str, limits: Sequence[_Limit]) -> None:
    broken = [
        f"{limit.what} {limit.given}, at most {limit.largest}"
        for limit in limits
        if limit.given > limit.largest
    ]
    if broken:
        raise InputError(f"{op} is no single command: {'; '.join(broken)}; tile it")
