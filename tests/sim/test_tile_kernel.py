"""The tile kernel: its plain twin, its closed form, and where its stalls come from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twins.tile_pipeline import TilePipeline

from edgesim.sim import kernels

CYCLES = st.integers(1, 9)
BUFFERS = st.integers(1, kernels.MAX_BUFFERS)
RUNS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 400)), min_size=1, max_size=5
)


def ends(
    runs: list[tuple[int, int, int]], load: int, compute: int, drain: int, operands: int,
    accumulators: int, skip: bool,
) -> list[tuple[int, int, int]]:  # fmt: skip
    """Last fetch, MAC and drain end after each run of the kernel."""
    state = kernels.new_state()
    found = []
    for output_tiles, reduction_tiles, not_before in runs:
        kernels.advance_tiles(
            state, output_tiles, reduction_tiles, load, compute, drain, operands, accumulators,
            not_before, skip,
        )  # fmt: skip
        found.append((int(state[0]), int(state[1]), int(state[2])))
    return found


def twin_ends(
    runs: list[tuple[int, int, int]], load: int, compute: int, drain: int, operands: int,
    accumulators: int,
) -> list[tuple[int, int, int]]:  # fmt: skip
    twin = TilePipeline(load, compute, drain, operands, accumulators)
    found = []
    for output_tiles, reduction_tiles, not_before in runs:
        twin.run(output_tiles, reduction_tiles, not_before)
        found.append((twin.load_ends[-1], twin.compute_ends[-1], twin.drain_ends[-1]))
    return found


@settings(max_examples=300, deadline=None)
@given(RUNS, CYCLES, CYCLES, st.integers(1, 40), BUFFERS, BUFFERS)
def test_the_kernel_equals_its_twin_with_and_without_skipping(
    runs: list[tuple[int, int, int]], load: int, compute: int, drain: int, operands: int,
    accumulators: int,
) -> None:  # fmt: skip
    expected = twin_ends(runs, load, compute, drain, operands, accumulators)
    for skip in (False, True):
        assert ends(runs, load, compute, drain, operands, accumulators, skip) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.sampled_from([2, 4, 8, 16, 32, 64]))
def test_a_pipelined_product_takes_n_cycles_a_tile_and_the_fill(
    output_tiles: int, reduction_tiles: int, n: int
) -> None:
    """Fetch of the first tile, n cycles a tile, drain of the last one."""
    (found,) = ends([(output_tiles, reduction_tiles, 0)], n, n, n, 2, 2, True)
    tiles = output_tiles * reduction_tiles
    assert found == (n * tiles, n * tiles + n, n * tiles + 2 * n)


@given(st.integers(1, 500), st.integers(1, 500), st.sampled_from([2, 8, 32]))
def test_one_operand_buffer_ends_the_overlap_of_fetch_and_mac(
    output_tiles: int, reduction_tiles: int, n: int
) -> None:
    (found,) = ends([(output_tiles, reduction_tiles, 0)], n, n, n, 1, 2, True)
    assert found[1] == 2 * n * output_tiles * reduction_tiles


def test_a_slow_drain_stalls_until_accumulators_are_added_or_the_drain_is_the_limit() -> None:
    """Four output tiles of one tile each, drain 3n: the drain sets the pace with any number of
    accumulators; with one, every output tile also waits for its own drain.
    """
    n = 4
    one = ends([(4, 1, 0)], n, n, 3 * n, 2, 1, False)[0]
    two = ends([(4, 1, 0)], n, n, 3 * n, 2, 2, False)[0]
    assert one[2] == n + 4 * (n + 3 * n)
    assert two[2] == 2 * n + 4 * 3 * n
    mixed = [(1, 1, 0), (1, 6, 0), (1, 1, 0), (1, 6, 0)]
    depths = [ends(mixed, n, n, 5 * n, 2, depth, False)[-1][2] for depth in (1, 2, 3)]
    assert depths[0] > depths[1] >= depths[2]


def test_operands_that_arrive_at_t_are_fetched_at_t_and_not_before() -> None:
    n = 4
    (early, gated) = ends([(1, 2, 0), (1, 2, 100)], n, n, n, 2, 2, True)
    assert early[0] == 2 * n
    assert gated[0] == 100 + 2 * n
    assert ends([(1, 2, 0), (1, 2, 2 * n)], n, n, n, 2, 2, True)[1][0] == 4 * n
    assert ends([(1, 2, 0), (1, 2, 2 * n + 1)], n, n, n, 2, 2, True)[1][0] == 4 * n + 1


def test_skipping_reaches_a_hundred_million_tiles_at_once() -> None:
    state = kernels.new_state()
    kernels.advance_tiles(state, 10**8, 10**3, 2, 2, 2, 2, 2, 0, True)
    np.testing.assert_array_equal(state[:3], [2 * 10**11, 2 * 10**11 + 2, 2 * 10**11 + 4])


def test_the_kernel_stays_within_its_arrays(tmp_path: Path) -> None:
    """The same comparison in a process of its own, with bounds checking compiled in."""
    here = Path(__file__).parent
    program = (
        f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]\n"
        "import test_tile_kernel as tests\n"
        "for args in ((3, 4, 5, 1, 1), (4, 4, 4, 2, 2), (1, 9, 40, 8, 8), (9, 1, 1, 8, 1)):\n"
        "    runs = [(3, 7, 0), (1, 1, 90), (12, 2, 95)]\n"
        "    expected = tests.twin_ends(runs, *args)\n"
        "    assert tests.ends(runs, *args, False) == expected\n"
        "    assert tests.ends(runs, *args, True) == expected\n"
        "print('equal')\n"
    )
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout == "equal\n", done.stderr
