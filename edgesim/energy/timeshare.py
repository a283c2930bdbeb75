"""Which op each tick of a segment belongs to, so that static power can be split by op kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.eventlog import EventLog

PRIORITY = (("pu",), ("sfu",), ("host",))
"""Units whose work owns a tick, first match; transfers own what is left."""


def op_ticks(log: EventLog) -> tuple[NDArray[np.int64], int]:
    """Ticks owned by each op of `log.op_names`, and ticks in which nothing happens.

    Every tick of the segment has one owner: the op that the PU works on, else the SFU, else the
    host, else any other event. Both together sum to the segment's duration.
    """
    owned = np.zeros(len(log.op_names), dtype=np.int64)
    if not len(log) or log.duration_ticks <= 0:
        return owned, max(log.duration_ticks, 0)
    starts = np.clip(log.start_ticks, 0, log.duration_ticks)
    ends = np.clip(log.end_ticks, 0, log.duration_ticks)
    # Runs that are sorted already: sorting them takes a twentieth of hashing.
    edges = np.sort(np.concatenate((starts, ends, [0, log.duration_ticks])), kind="stable")
    edges = edges[np.concatenate(([True], edges[1:] != edges[:-1]))]
    owner = np.full(len(edges) - 1, -1, dtype=np.int64)
    for group in _unit_groups(log):
        candidate = _owners(starts[group], ends[group], log.op[group], edges[:-1])
        owner = np.where(owner < 0, candidate, owner)
    widths = np.diff(edges)
    np.add.at(owned, owner[owner >= 0], widths[owner >= 0])
    return owned, int(widths[owner < 0].sum())


def _unit_groups(log: EventLog) -> list[NDArray[np.bool_]]:
    index = {name: position for position, name in enumerate(log.unit_names)}
    groups, rest = [], np.ones(len(log), dtype=np.bool_)
    for units in PRIORITY:
        mine = np.isin(log.unit, [index[unit] for unit in units if unit in index])
        groups.append(mine)
        rest &= ~mine
    return [*groups, rest]


def _owners(
    starts: NDArray[np.int64], ends: NDArray[np.int64], ops: NDArray[np.int32],
    instants: NDArray[np.int64],
) -> NDArray[np.int64]:  # fmt: skip
    """Op of the running event that ends last at each instant, or -1."""
    if not len(starts):
        return np.full(len(instants), -1, dtype=np.int64)
    order = np.lexsort((ends, starts))
    starts, ends, ops = starts[order], ends[order], ops[order]
    reached = np.maximum.accumulate(ends)
    fresh = np.concatenate(([True], ends[1:] > reached[:-1]))
    holder = np.maximum.accumulate(np.where(fresh, np.arange(len(ends)), 0))
    last = np.searchsorted(starts, instants, side="right") - 1
    running = (last >= 0) & (reached[np.maximum(last, 0)] > instants)
    return np.where(running, ops[holder[np.maximum(last, 0)]], -1).astype(np.int64)
