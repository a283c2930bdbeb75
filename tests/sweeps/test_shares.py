"""Shares of workers: every place once, neighbours together, nobody idle while there is work."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgesim.sweeps.shares import PLANNED_POINTS, Shares

SIZES = st.lists(st.integers(1, 150), min_size=1, max_size=12)


def groups(sizes: Sequence[int]) -> list[list[int]]:
    ends = list(itertools.accumulate(sizes))
    return [list(range(end - size, end)) for end, size in zip(ends, sizes, strict=True)]


@given(SIZES, st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_place_is_given_once_whoever_asks(sizes: list[int], count: int, random: Any) -> None:
    shares = Shares(groups(sizes), count, list)
    found = []
    while (place := shares.next(random.randrange(count))) is not None:
        found.append(place)
    assert sorted(found) == list(range(sum(sizes)))
    assert all(shares.next(worker) is None for worker in range(count))


def test_workers_of_equal_speed_stay_in_their_own_runs() -> None:
    shares = Shares(groups([10] * 8), 2, list)
    pairs = [(shares.next(0), shares.next(1)) for _ in range(40)]
    assert [first for first, _ in pairs] == list(range(40))
    assert [second for _, second in pairs] == list(range(40, 80))


def test_an_idle_worker_takes_whole_groups_from_the_back() -> None:
    shares = Shares(groups([PLANNED_POINTS] * 4), 2, list)
    first = shares.next(0)
    mine = [shares.next(1) for _ in range(3 * PLANNED_POINTS)]
    assert first == 0
    assert mine[: 2 * PLANNED_POINTS] == list(range(2 * PLANNED_POINTS, 4 * PLANNED_POINTS))
    assert mine[2 * PLANNED_POINTS :] == list(range(PLANNED_POINTS, 2 * PLANNED_POINTS))


def test_points_that_are_planned_already_are_taken_too() -> None:
    shares = Shares(groups([9]), 2, list)
    assert [shares.next(worker) for worker in (1, 0, 1, 0)] == [0, 5, 1, 6]


def test_places_that_need_no_computation_are_passed_over() -> None:
    shares = Shares(groups([5, 5]), 2, lambda places: [p for p in places if p == 7])
    assert [shares.next(0), shares.next(0), shares.next(1)] == [7, None, None]
