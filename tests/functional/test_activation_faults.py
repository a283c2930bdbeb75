"""Activations in faulty cells: where they lie, and what reading them back gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from chip_cases import profile, sentences, toy

from edgesim.functional.batch import Batch, batches
from edgesim.functional.chip.arithmetic import ChipArithmetic, Coded, chip_arithmetic
from edgesim.functional.execution import execute_all, execute_batch
from edgesim.functional.faults import CellFaults, FaultyActivations
from edgesim.functional.faults.activations import activation_layout
from edgesim.functional.faults.injection import flip_cells
from edgesim.ir.ops import Op

GIVEN = sentences(1, 2, 5, 5, 9, 16)


def cells(sigma: float, levels: int = 2) -> CellFaults:
    return CellFaults("x", np.linspace(0, 1, levels), np.full(levels, sigma))


@pytest.fixture(scope="module")
def sound() -> ChipArithmetic:
    return chip_arithmetic(toy(), profile())


def outputs(arithmetic: ChipArithmetic | FaultyActivations) -> list[tuple[Op, Coded]]:
    """Coded outputs of the two sentences of five tokens, in order."""
    found: list[tuple[Op, Coded]] = []

    def keep(op: Op, value: object) -> None:
        if isinstance(value, Coded):
            found.append((op, value))

    batch: Batch = next(b for _, b in batches(toy(), GIVEN) if b.token_ids.shape == (2, 5))
    execute_batch(toy(), batch, arithmetic, keep)
    return found


def test_without_faults_the_answers_are_those_of_the_chip(sound: ChipArithmetic) -> None:
    faulty = FaultyActivations(sound, None, None)
    expected, got = execute_all(toy(), GIVEN, sound), execute_all(toy(), GIVEN, faulty)
    np.testing.assert_array_equal(got.logits, expected.logits)
    np.testing.assert_array_equal(got.entropies, expected.entropies)
    assert faulty.counts["changed"] == faulty.counts["data_faults"] == 0
    elements = sum(value.codes.size for _, value in outputs(sound))
    alone = FaultyActivations(sound, None, None)
    outputs(alone)
    assert alone.counts["mask_bits"] >= elements
    assert 0 < alone.counts["data_bits"] <= 8 * alone.counts["mask_bits"]


@pytest.mark.parametrize("shape", [(2, 5, 24), (3, 2, 7, 7), (1, 1, 2), (4, 16)])
def test_every_activation_lies_once_in_the_lanes_of_its_row(shape: tuple[int, ...]) -> None:
    layout = activation_layout(shape, 4)
    index = layout.element_of
    assert sorted(index[index >= 0].tolist()) == list(range(int(np.prod(shape))))
    row, lane = index // shape[-1], index % shape[-1]
    assert (np.where(index >= 0, lane % 4, np.arange(4)) == np.arange(4)).all()
    for vector in range(len(index)):
        assert len(set(row[vector][index[vector] >= 0])) == 1
    assert layout.num_blocks == shape[0]
    per_sentence = int(np.prod(shape[1:]))
    for block in range(shape[0]):
        inside = index[layout.block_starts[block] : layout.block_starts[block + 1]]
        assert set(inside[inside >= 0] // per_sentence) == {block}


def read_by_hand(
    codes: np.ndarray, n: int, data: CellFaults, mask: CellFaults, streams: list[object]
) -> np.ndarray:
    """Pack every sentence lane by lane in plain Python, flip cells, and read it back."""
    padded = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % n)])
    scans = padded.reshape(len(codes), -1, n)
    heights = [int(max((scan != 0).sum(axis=0))) for scan in scans]
    rows = np.zeros((sum(heights), n), dtype=np.uint8)
    for number, scan in enumerate(scans):
        for lane in range(n):
            packed = scan[:, lane][scan[:, lane] != 0]
            start = sum(heights[:number])
            rows[start : start + len(packed), lane] = packed
    bits = (scans.reshape(-1, n) != 0).astype(np.uint8)
    flip_cells(rows.reshape(-1), 8, data, streams[0])  # type: ignore[arg-type]
    flip_cells(bits.reshape(-1), 1, mask, streams[1])  # type: ignore[arg-type]
    out = np.zeros_like(scans)
    for number, one in enumerate(bits.reshape(scans.shape)):
        start, stop = sum(heights[:number]), sum(heights[: number + 1])
        for lane in range(n):
            row = start
            for vector in range(len(one)):
                if one[vector, lane]:
                    out[number, vector, lane] = rows[row, lane] if row < stop else 0
                    row += 1
    return out.reshape(padded.shape)[..., : codes.shape[-1]]


@pytest.mark.parametrize(("data", "mask"), [(0.25, 0.2), (0.2, 0.05), (0.05, 0.25)])
def test_what_is_read_back_is_packed_flipped_and_unpacked_by_hand(
    sound: ChipArithmetic, data: float, mask: float
) -> None:
    cells_of = cells(data / 3, 4), cells(mask)
    before = outputs(sound)
    for op, value in before[:4]:
        faulty = FaultyActivations(sound, *cells_of, seed=5, trial=2)
        got = faulty._read_back(value)
        streams = [
            np.random.default_rng(np.random.SeedSequence(5, spawn_key=(2, 0, part)))
            for part in (0, 1)
        ]
        expected = read_by_hand(
            value.codes, sound.profile.vector_size, *cells_of, streams=list(streams)
        )
        assert np.array_equal(got.codes, expected), op.name
        assert got.parameter == value.parameter


def test_readers_get_the_damaged_tensor_and_the_source_stays_as_it_was(
    sound: ChipArithmetic,
) -> None:
    plain, damaged = outputs(sound), outputs(FaultyActivations(sound, cells(0.3), None))
    assert any((a.codes != b.codes).any() for (_, a), (_, b) in zip(plain, damaged, strict=True))
    again = outputs(sound)
    assert all(
        np.array_equal(a.codes, b.codes) for (_, a), (_, b) in zip(plain, again, strict=True)
    )


def test_a_seed_gives_the_same_faults_and_the_mask_leaves_those_of_the_codes(
    sound: ChipArithmetic,
) -> None:
    counts: list[Counter[str]] = []
    for mask, seed in ((None, 1), (cells(0.2), 1), (cells(0.2), 1), (None, 2)):
        faulty = FaultyActivations(sound, cells(0.2), mask, seed)
        faulty._read_back(outputs(sound)[0][1])
        counts.append(faulty.counts)
    assert counts[1] == counts[2]
    assert counts[0]["data_faults"] == counts[1]["data_faults"] != counts[3]["data_faults"]
    assert counts[0]["mask_faults"] == 0 < counts[1]["mask_faults"]
