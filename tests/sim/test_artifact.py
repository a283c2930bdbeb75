"""The released chip against its executed SystemC, and the mechanism behind its stalls."""

from __future__ import annotations

import pytest
from artifact_cases import ExecutedOp, changed_chip, executed_ops, hls_chip

import edgesim
from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.sim.artifact.product import matmul_cycles


@pytest.mark.parametrize("row", executed_ops(), ids=str)
def test_every_executed_op_takes_the_cycles_that_were_measured(row: ExecutedOp) -> None:
    assert edgesim.op_cycles(row.op, row.sizes, hls_chip(row.vector_size)) == row.cycles


def test_the_table_holds_every_kind_of_op() -> None:
    kinds = {row.op for row in executed_ops()}
    assert kinds == {
        "matmul", "softmax", "layernorm", "elemadd", "entropy", "dvfs", "axi_load_input",
        "axi_load_aux", "axi_load_mask", "axi_store_input", "axi_store_mask",
    }  # fmt: skip


@pytest.mark.parametrize("vector_size", [2, 4, 8, 16, 32, 64])
def test_memories_grow_with_the_lanes(vector_size: int) -> None:
    buffers = hls_chip(vector_size).buffers
    assert buffers.operand0.data_bytes == 4096 * vector_size
    assert 8 * buffers.operand1.mask_bytes == 4096 * vector_size
    assert buffers.auxiliary_bytes == 256 * vector_size


def test_a_size_in_the_file_wins_over_the_one_from_rows() -> None:
    chip = changed_chip({"buffers.operand0.data": "16 KiB"})
    assert chip.buffers.operand0.data_bytes == 16 * 1024
    assert chip.buffers.operand1.data_bytes == 64 * 1024


def stall_cycles(chip: AcceleratorSpec, k_tiles: int, output_tiles: int) -> int:
    """Cycles beyond load, compute and flag of every tile, first fill and last drain."""
    n = chip.pu.vector_size
    cycles = matmul_cycles(chip, output_tiles * n, k_tiles * n, n)
    return cycles - (2 * n + 1) * k_tiles * output_tiles - n - 17


def test_the_stall_is_eight_cycles_per_further_tile_at_16_lanes() -> None:
    # hardware.md, section 4: traced on the executed source.
    assert [stall_cycles(hls_chip(16), 2, tiles) for tiles in (1, 2, 3, 4)] == [0, 8, 16, 24]


@pytest.mark.parametrize("vector_size", [2, 4, 8])
def test_narrow_arrays_never_stall(vector_size: int) -> None:
    chip = hls_chip(vector_size)
    assert [stall_cycles(chip, k_tiles, 6) for k_tiles in (1, 2, 3)] == [0, 0, 0]


@pytest.mark.parametrize(("vector_size", "k_tiles"), [(16, 1), (16, 2), (32, 2), (32, 3)])
def test_a_second_memory_port_removes_contention(vector_size: int, k_tiles: int) -> None:
    shared = hls_chip(vector_size)
    apart = changed_chip({"pu.vector_size": vector_size, "buffers.operand0.ports": "1R1W"})
    assert stall_cycles(apart, k_tiles, 6) < stall_cycles(shared, k_tiles, 6)


def test_with_two_ports_a_tile_behind_two_reduction_tiles_does_not_stall() -> None:
    apart = changed_chip({"buffers.operand0.ports": "1R1W"})
    assert stall_cycles(apart, 2, 6) == 0


def test_the_port_that_counts_is_that_of_the_destination() -> None:
    apart = changed_chip({"buffers.operand1.ports": "1R1W"})
    assert matmul_cycles(apart, 96, 32, 16, destination=0) == 33 * 12 + 16 + 17 + 5 * 8
    assert matmul_cycles(apart, 96, 32, 16, destination=1) == 33 * 12 + 16 + 17


@pytest.mark.parametrize(
    ("name", "vector_size", "k_tiles"),
    [("data_depth", 16, 1), ("mask_depth", 32, 2)],
)
def test_deeper_queues_before_a_memory_shorten_the_stall(
    name: str, vector_size: int, k_tiles: int
) -> None:
    shallow, as_released, deep = (
        changed_chip({"pu.vector_size": vector_size, f"artifact.arbiters.{name}": depth})
        for depth in (1, 5 if name == "mask_depth" else 4, 32)
    )
    stalls = [stall_cycles(chip, k_tiles, 6) for chip in (shallow, as_released, deep)]
    assert stalls[0] > stalls[1] > stalls[2]


def test_a_wider_drain_shortens_the_last_drain_and_the_stall() -> None:
    cycles = [
        matmul_cycles(changed_chip({"pu.drain_vectors_per_cycle": width}), 96, 32, 16)
        for width in (1, 2, 4)
    ]
    assert cycles[0] > cycles[1] > cycles[2]


def test_a_chip_without_artifact_section_has_no_transfers() -> None:
    chip = edgesim.load_chip("edgebert-n16")
    with pytest.raises(InputError, match=r"axi_load_mask.*allowed on edgebert-n16: matmul"):
        edgesim.op_cycles("axi_load_mask", {"m": 16}, chip)


@pytest.mark.parametrize(
    ("op", "shape", "words"),
    [
        (
            "matmul",
            {"m": 128, "k": 768, "n": 128},
            "left operand 6144, at most 4096",
        ),
        ("matmul", {"m": 1024, "k": 16, "n": 16}, r"rows \(m\) 1024, at most 1008"),
        ("softmax", {"m": 256, "k": 16}, r"rows \(m\) 256, at most 255"),
        ("layernorm", {"m": 1, "k": 4096}, "vectors per row 256, at most 255"),
        ("axi_load_input", {"m": 2048}, "beats 4096, at most 4095"),
        ("axi_load_aux", {"m": 257}, r"rows \(m\) 257, at most 256"),
    ],
)
def test_a_command_that_no_register_holds_is_an_error(
    op: str, shape: dict[str, int], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        edgesim.op_cycles(op, shape, hls_chip())


def test_ragged_sizes_are_padded_to_whole_tiles() -> None:
    chip = hls_chip()
    whole = edgesim.op_cycles("matmul", {"m": 32, "k": 32, "n": 48}, chip)
    assert edgesim.op_cycles("matmul", {"m": 20, "k": 17, "n": 33}, chip) == whole


def test_the_unmodified_testbenches_of_the_release_agree() -> None:
    # 32 x 32 x 32: start write to interrupt 900 ns to 1227 ns; 64 x 64 x 64: start seen by
    # InputSetup, two hops after the command, to interrupt 56577 ns to 58840 ns.
    chip = hls_chip()
    assert matmul_cycles(chip, 32, 32, 32) + chip.host.pu_interrupt_cycles == 1227 - 900
    assert matmul_cycles(chip, 64, 64, 64) - 2 == 58840 - 56577
