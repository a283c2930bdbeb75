"""Event logs that are reused: equal plans on chips of equal timing are played once."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from edgesim.hw.spec import AcceleratorSpec, chip_content
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import SegmentPlan
from edgesim.sim.engine import simulate_segment
from edgesim.sim.memory import medium_timing
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

    The key is the plan itself, the chip without the parts that timing does not depend on, and the
    timing of every medium. Chips that differ in voltage, capacity or placement share logs wherever
    their plans are equal.
    """

    def __init__(self, max_rows: int = DEFAULT_MAX_ROWS) -> None:
        self.max_rows = max_rows
        self.hits = 0
        self.plays = 0
        self._rows = 0
        self._logs: OrderedDict[object, EventLog] = OrderedDict()

    def log(
        self, plan: SegmentPlan, timed: str, chip: AcceleratorSpec, technology: Technology
    ) -> EventLog:
        """The event log of a plan; `timed` is the chip's `timed_text`."""
        media = tuple(medium_timing(chip, technology, name) for name in plan.media)
        key = (plan, timed, media)
        found = self._logs.get(key)
        if found is not None:
            self.hits += 1
            self._logs.move_to_end(key)
            return found
        log = simulate_segment(plan, chip, technology)
        self.plays += 1
        self._logs[key] = log
        self._rows += len(log)
        while self._rows > self.max_rows and len(self._logs) > 1:
            self._rows -= len(self._logs.popitem(last=False)[1])
        return log


def timed_text(chip: AcceleratorSpec) -> str:
    """What the engine reads of a chip, media aside, as text that is equal where timing is."""
    return json.dumps(timed_content(chip), sort_keys=True)


def timed_content(chip: AcceleratorSpec) -> dict[str, Any]:
    """The chip without what segment timing does not depend on."""
    content = {name: part for name, part in chip_content(chip).items() if name not in UNTIMED}
    content["clock"] = {k: v for k, v in content["clock"].items() if k != "voltage_v"}
    content["buffers"] = {name: getattr(chip.buffers, name).ports for name in _OPERANDS}
    return content
