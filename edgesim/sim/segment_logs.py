"""Event logs that are reused: equal plans on chips of equal timing are played once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edgesim.hw.spec import AcceleratorSpec, chip_content
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.sim.player import SegmentPlayer
from edgesim.tech import Technology

_OPERANDS = ("operand0", "operand1")
UNTIMED = (
    "name", "description", "assumed", "not_modelled", "storage", "placement", "embedding", "dma",
    "voltage_scaling",
)  # fmt: skip
"""Parts of a chip that reach the engine only through the plan and through medium timings."""
DEFAULT_MAX_ROWS = 3_000_000
"""Event rows kept; a row takes 44 bytes of columns."""


class SegmentLogs:
    """A store of event logs by what the engine reads; the least recently used leave first.

    The key is the plan itself, the chip without the parts that timing does not depend on, the
    timing of every medium, and what a host's copies cost. Chips that differ in voltage, capacity
    or placement share logs wherever their plans are equal.
    """

    def __init__(self, max_rows: int = DEFAULT_MAX_ROWS) -> None:
        self.max_rows = max_rows
        self.hits = 0
        self.plays = 0
        self._rows = 0
        self._logs: OrderedDict[tuple[SegmentPlan, int], EventLog] = OrderedDict()
        self._timings: dict[object, int] = {}

    def of(self, chip: AcceleratorSpec, technology: Technology) -> ChipLogs:
        """The logs of one chip."""
        return ChipLogs(self, chip, technology)

    def timing(self, content: object) -> int:
        """A number for what timing depends on; equal contents have equal numbers."""
        return self._timings.setdefault(content, len(self._timings))

    def log(self, plan: SegmentPlan, timing: int, play: Callable[[], EventLog]) -> EventLog:
        """The event log of a plan under a timing, played if it is not known."""
        key = (plan, timing)
        found = self._logs.get(key)
        if found is not None:
            self.hits += 1
            self._logs.move_to_end(key)
            return found
        log = play()
        self.plays += 1
        self._logs[key] = log
        self._rows += len(log)
        while self._rows > self.max_rows and len(self._logs) > 1:
            self._rows -= len(self._logs.popitem(last=False)[1])
        return log


class ChipLogs:
    """Event logs of plans on one chip, shared with all chips of equal timing."""

    def __init__(self, logs: SegmentLogs, chip: AcceleratorSpec, technology: Technology) -> None:
        self._logs = logs
        self._player = SegmentPlayer(chip, technology)
        self._text = timed_text(chip)
        silicon = chip.silicon
        self._copies = None if silicon is None else technology.value(silicon.copy_cycles_entry)
        self._timings: dict[tuple[str, ...], int] = {}

    def log(self, plan: SegmentPlan) -> EventLog:
        """The event log of a plan."""
        timing = self._timings.get(plan.media)
        if timing is None:
            media = self._player.timing(plan.media)
            timing = self._timings[plan.media] = self._logs.timing(
                (self._text, self._copies, media)
            )
        return self._logs.log(plan, timing, lambda: self._player.log(plan))

    def twin(self, log: EventLog, plan: SegmentPlan, twin: SegmentPlan) -> EventLog:
        """The log of a plan under the names of another that repeats it; kept with the log."""
        found = log.twins.get(twin)
        if found is None:
            found = log.twins[twin] = renamed_log(log, plan, twin)
        return found


def renamed_log(log: EventLog, plan: SegmentPlan, twin: SegmentPlan) -> EventLog:
    """The log of a plan under the names of another that repeats it."""
    names = {old.name: new.name for old, new in zip(plan.ops, twin.ops, strict=True)}
    return replace(log, name=twin.label, op_names=tuple(names[name] for name in log.op_names))


def timed_text(chip: AcceleratorSpec) -> str:
    """What the engine reads of a chip, media aside, as text that is equal where timing is."""
    return json.dumps(timed_content(chip), sort_keys=True)


def timed_content(chip: AcceleratorSpec) -> dict[str, Any]:
    """The chip without what segment timing does not depend on."""
    content = {name: part for name, part in chip_content(chip).items() if name not in UNTIMED}
    content["clock"] = {k: v for k, v in content["clock"].items() if k != "voltage_v"}
    content["buffers"] = {name: getattr(chip.buffers, name).ports for name in _OPERANDS}
    return content
