"""Readings of an event log that tests share: intervals, overlap, and the critical path."""

from __future__ import annotations

import numpy as np

from edgesim.ir.eventlog import EventLog

Interval = tuple[int, int]


def intervals(log: EventLog, *units: str) -> list[Interval]:
    """Start and end of every event of the units that spans time, sorted."""
    wanted = [i for i, name in enumerate(log.unit_names) if name in units]
    mine = np.isin(log.unit, wanted) & (log.end_ticks > log.start_ticks)
    pairs = zip(log.start_ticks[mine].tolist(), log.end_ticks[mine].tolist(), strict=True)
    return sorted(pairs)


def merged(pairs: list[Interval]) -> list[Interval]:
    """Disjoint intervals that cover the same time."""
    result: list[Interval] = []
    for start, end in sorted(pairs):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def shared_ticks(left: list[Interval], right: list[Interval]) -> int:
    """Ticks in which both have something under way."""
    return sum(
        max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in merged(left) for b in merged(right)
    )


def exposed_dma_ticks(log: EventLog) -> int:
    """Ticks in which a transfer is under way and no other unit works."""
    dma = intervals(log, "dma")
    busy = sum(end - start for start, end in merged(dma))
    return busy - shared_ticks(dma, intervals(log, "host", "pu", "sfu"))


def critical_path(log: EventLog) -> list[tuple[int, int, str, str]]:
    """Events (start, end, unit, op) from the first tick to the last, each beginning where one ends.

    Walks back from the last event; fails where nothing ends when an event of the path begins.
    """
    events = [
        (int(start), int(end), log.unit_names[unit], log.op_names[op])
        for start, end, unit, op in zip(
            log.start_ticks, log.end_ticks, log.unit, log.op, strict=True
        )
        if end > start and log.unit_names[unit] in ("host", "dma", "pu", "sfu")
    ]
    by_end: dict[int, list[tuple[int, int, str, str]]] = {}
    for event in events:
        by_end.setdefault(event[1], []).append(event)
    path = []
    now = log.duration_ticks
    while now > 0:
        assert now in by_end, f"no event ends at {now}, where the path behind it begins"
        event = min(by_end[now])
        path.append(event)
        now = event[0]
    return path[::-1]
