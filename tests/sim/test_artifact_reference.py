"""The artifact's kernels against their plain twins, and its counts against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from artifact_cases import ExecutedOp, changed_chip, executed_ops, hls_chip, noted
from hypothesis import given, settings
from hypothesis import strategies as st
from twins.artifact_counts import matmul_counts
from twins.artifact_products import reference_cycles
from twins.artifact_special import reference_special_cycles

from edgesim.errors import InputError
from edgesim.sim.artifact.parameters import PathParameters, path_parameters
from edgesim.sim.artifact.product import path_cycles
from edgesim.sim.artifact.special_function import special_function_cycles
from edgesim.sim.op_cycles import op_cycles

DEPTHS = st.integers(1, 9)
PATHS = st.builds(
    PathParameters,
    vector_size=st.sampled_from([2, 4, 8, 16]),
    mask_arbiter_depth=DEPTHS,
    data_arbiter_depth=DEPTHS,
    decoder_arbiter_depth=DEPTHS,
    writeback_arbiter_depth=DEPTHS,
    separate_ports=st.booleans(),
    drain_vectors_per_cycle=st.integers(1, 8),
    start_cycles=st.integers(0, 5),
    destination=st.integers(0, 1),
)
TILES = st.integers(1, 4)


@settings(max_examples=60, deadline=None)
@given(path=PATHS, rows=TILES, reduction=TILES, columns=TILES)
def test_the_kernel_equals_its_plain_twin(
    path: PathParameters, rows: int, reduction: int, columns: int
) -> None:
    expected = reference_cycles(path, rows, reduction, columns)
    assert path_cycles(path, rows, reduction, columns, skip=False) == expected


@settings(max_examples=60, deadline=None)
@given(path=PATHS, rows=st.integers(1, 40), reduction=st.integers(1, 6))
def test_jumping_over_repeating_tiles_changes_nothing(
    path: PathParameters, rows: int, reduction: int
) -> None:
    stepped = path_cycles(path, rows, reduction, 1, skip=False)
    assert path_cycles(path, rows, reduction, 1, skip=True) == stepped


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from([2, 4, 8, 16, 32]), rows=st.integers(1, 70), reduction=st.integers(1, 70),
    columns=st.integers(1, 70), ports=st.sampled_from(["1RW", "1R1W"]), depth=DEPTHS,
    drain=st.integers(1, 8),
)  # fmt: skip
def test_products_of_odd_shapes_take_the_cycles_of_the_twin_over_whole_tiles(
    n: int, rows: int, reduction: int, columns: int, ports: str, depth: int, drain: int
) -> None:
    chip = changed_chip(
        {
            "pu.vector_size": n, "buffers.operand0.ports": ports,
            "artifact.arbiters.data_depth": depth, "pu.drain_vectors_per_cycle": drain,
        }
    )  # fmt: skip
    tiles = [-(-size // n) for size in (rows, reduction, columns)]
    expected = reference_cycles(path_parameters(chip, 0), *tiles)
    found = op_cycles("matmul", {"m": rows, "k": reduction, "n": columns}, chip)
    assert found == expected


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 4), vectors=st.integers(1, 4), two_ports=st.booleans())
def test_every_special_function_equals_its_state_machine_on_the_memory_path(
    rows: int, vectors: int, two_ports: bool
) -> None:
    chip = changed_chip({"buffers.operand0.ports": "1R1W"}) if two_ports else hls_chip()
    for kind in ("softmax", "layernorm", "add"):
        program = chip.sfu.programs[kind]
        played = reference_special_cycles(
            path_parameters(chip), program.passes, rows, vectors, program.row_cycles - 1, 1
        )
        assert special_function_cycles(chip, kind, rows, vectors) == played
    entropy = chip.sfu.programs["entropy"]
    played = reference_special_cycles(
        path_parameters(chip), entropy.passes, 1, vectors, entropy.row_cycles - 1, 1
    )
    assert special_function_cycles(chip, "entropy", rows, vectors) == rows * played


@pytest.mark.parametrize("kind", ["softmax", "layernorm"])
def test_rows_of_one_vector_lose_a_cycle_to_the_write_of_the_row_before(kind: str) -> None:
    apart = changed_chip({"buffers.operand0.ports": "1R1W"})
    for rows in (1, 2, 5):
        lost = special_function_cycles(hls_chip(), kind, rows, 1) - special_function_cycles(
            apart, kind, rows, 1
        )
        assert lost == rows - 1
    assert special_function_cycles(hls_chip(), kind, 5, 2) == special_function_cycles(
        apart, kind, 5, 2
    )


DENSE_PRODUCTS = [row for row in executed_ops() if row.op == "matmul" and row.density == "1"]


@pytest.mark.parametrize("row", DENSE_PRODUCTS, ids=str)
def test_dense_products_read_and_multiply_what_was_counted(row: ExecutedOp) -> None:
    m, k, n = (row.sizes[name] for name in ("m", "k", "n"))
    counts = matmul_counts(np.ones((m, k), bool), np.ones((n, k), bool), row.vector_size)
    assert counts.bank_reads == noted(row, "input-bank reads")
    assert counts.mask_reads == noted(row, "mask reads")
    assert counts.dot_products == noted(row, "dot-products executed")
    assert counts.output_vectors == noted(row, "out vectors")


def brute_counts(left: np.ndarray, right: np.ndarray, n: int) -> tuple[int, int, int]:
    """(bank reads, mask reads, dot products) by playing the loop nest of the source."""
    banks = masks = products = 0
    for p in range(0, len(left), n):
        for k in range(0, len(right), n):
            for t in range(0, left.shape[1], n):
                for i in range(n):
                    x, w = left[p + i, t : t + n], right[k + i, t : t + n]
                    rows = right[k : k + n, t : t + n]
                    banks += int(x.sum()) + int(w.sum())
                    masks += 2
                    products += sum(bool(x.any() and row.any()) for row in rows)
    return banks, masks, products


@settings(max_examples=40, deadline=None)
@given(
    n=st.sampled_from([2, 4]),
    tiles=st.tuples(*[st.integers(1, 3)] * 3),
    density=st.sampled_from([0.0, 0.1, 0.3, 0.8]),
    seed=st.integers(0, 2**16),
)
def test_counts_of_real_masks_equal_the_played_loop_nest(
    n: int, tiles: tuple[int, int, int], density: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    left = generator.random((tiles[0] * n, tiles[2] * n)) < density
    right = generator.random((tiles[1] * n, tiles[2] * n)) < density
    counts = matmul_counts(left, right, n)
    found = (counts.bank_reads, counts.mask_reads, counts.dot_products)
    assert found == brute_counts(left, right, n)


RANDOM_PRODUCTS = [
    row for row in executed_ops() if row.op == "matmul" and row.density in ("0.1", "0.5", "0.75")
]


@pytest.mark.parametrize("row", RANDOM_PRODUCTS, ids=str)
def test_random_masks_of_the_measured_density_come_within_statistics(row: ExecutedOp) -> None:
    # The table keeps densities, not masks. 256 vectors per operand at density 0.1 leave 13 %
    # (three standard deviations) on gated products; reads are of 4096 elements per operand.
    m, k, n = (row.sizes[name] for name in ("m", "k", "n"))
    generator = np.random.default_rng(1)
    density = float(row.density)
    left, right = generator.random((m, k)) < density, generator.random((n, k)) < density
    counts = matmul_counts(left, right, row.vector_size)
    assert counts.bank_reads == pytest.approx(noted(row, "input-bank reads"), rel=0.07)
    assert counts.mask_reads == noted(row, "mask reads")
    assert counts.dot_products == pytest.approx(noted(row, "dot-products executed"), rel=0.13)


def test_masks_that_are_no_whole_tiles_are_an_error() -> None:
    with pytest.raises(InputError, match=r"left mask of shape \(3, 4\); give multiples of 4"):
        matmul_counts(np.ones((3, 4), bool), np.ones((4, 4), bool), 4)
    with pytest.raises(InputError, match="reductions 4 and 8 differ"):
        matmul_counts(np.ones((4, 4), bool), np.ones((4, 8), bool), 4)
