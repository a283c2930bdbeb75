"""Every tick of a segment belongs to one op."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgesim.energy.timeshare import op_ticks
from edgesim.ir.eventlog import EventRecorder

UNITS = ("pu", "sfu", "host", "dma", "lpddr4")


def shares(events: list[tuple[int, int, str, str]], duration: int) -> tuple[dict[str, int], int]:
    recorder = EventRecorder()
    for start, end, unit, op in events:
        recorder.add(start, end, unit, "busy", op)
    log = recorder.freeze("s", duration)
    ticks, waiting = op_ticks(log)
    return dict(zip(log.op_names, ticks.tolist(), strict=True)), waiting


def test_the_array_owns_a_tick_before_transfers() -> None:
    events = [(0, 60, "dma", "next"), (20, 50, "pu", "now"), (70, 90, "sfu", "soft")]
    assert shares(events, 100) == ({"next": 30, "now": 30, "soft": 20}, 20)


def test_an_empty_log_waits_all_the_time() -> None:
    assert shares([], 7) == ({}, 7)


def brute_force(
    events: list[tuple[int, int, str, str]], duration: int
) -> tuple[dict[str, set[int]], int]:
    """Ticks at which each op could own, by testing every tick: the first busy unit class."""
    allowed: dict[str, set[int]] = {op: set() for *_, op in events}
    waiting = 0
    for tick in range(duration):
        running = [(u, op) for start, end, u, op in events if start <= tick < end]
        for units in (("pu",), ("sfu",), ("host",), ("dma", "lpddr4")):
            ops = {op for u, op in running if u in units}
            if ops:
                for op in ops:
                    allowed[op].add(tick)
                break
        else:
            waiting += 1
    return allowed, waiting


@given(
    st.lists(
        st.tuples(
            st.integers(0, 25), st.integers(0, 12), st.sampled_from(UNITS), st.sampled_from("abc")
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_ownership_agrees_with_a_walk_over_every_tick(
    raw: list[tuple[int, int, str, str]],
) -> None:
    duration = 40
    events = [(start, start + length, unit, op) for start, length, unit, op in raw]
    owned, waiting = shares(events, duration)
    allowed, idle = brute_force(events, duration)
    assert waiting == idle
    assert sum(owned.values()) + waiting == duration
    for op, ticks in owned.items():
        others = set().union(*(v for k, v in allowed.items() if k != op))
        assert len(allowed[op] - others) <= ticks <= len(allowed[op])


def test_ticks_are_integers() -> None:
    recorder = EventRecorder()
    recorder.add(0, 10**12, "pu", "busy", "mm")
    ticks, _ = op_ticks(recorder.freeze("s", 10**12))
    assert ticks.dtype == np.int64
    assert int(ticks[0]) == 10**12
