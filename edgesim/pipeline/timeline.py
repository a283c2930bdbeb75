"""Timelines of a run as Chrome/Perfetto trace files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.exits import ExitPolicy
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.ir.workload import Workload
from edgesim.pipeline.arithmetic import answered, as_stored
from edgesim.pipeline.output import write_text
from edgesim.pipeline.run_input import prepare
from edgesim.pipeline.simulate import PlayedRun, play
from edgesim.report.timeline import ExitRecord, timeline_events
from edgesim.tech import Technology, load_technology

SCHEMA_VERSION = 1


def timeline(
    trace: OpTrace, chip: Chip, path: str | Path | None = None, *,
    workload: Workload | None = None, exit_policy: ExitPolicy | None = None,
    pad_to: int | None = None, sentences: Sequence[int] = (1,),
    technology: Technology | None = None, latency_target_s: float | None = None,
    latency_target_fraction: float | None = None, strategy: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The trace of some sentences of a run, 1-based, for Perfetto or chrome://tracing.

    The run is that of `simulate` with the same arguments. With `path` it is also written there.
    Each sentence starts at its own time 0. Raises InputError for a chip without events (a GPU).
    """
    accelerator = accelerator_only(chip)
    workload, arithmetic = answered(trace, chip, workload, "float32")
    asked = prepare(
        trace, workload, exit_policy, pad_to, arithmetic, strategy=strategy,
        target=LatencyTarget.of(latency_target_s, latency_target_fraction),
    )  # fmt: skip
    played = play(asked, accelerator, technology or load_technology())
    content = timeline_content(played, sentences)
    if path is not None:
        write_timeline(Path(path), content)
    return content


def simulate_with_timeline(
    trace: OpTrace, chip: Chip, path: Path, sentences: Sequence[int], *,
    workload: Workload | None = None, exit_policy: ExitPolicy | None = None,
    pad_to: int | None = None, arithmetic: str = "float32",
    latency_target_s: float | None = None, latency_target_fraction: float | None = None,
    strategy: str | None = None,
) -> SimResult:  # fmt: skip
    """The result of `simulate`, with the timeline of the same run written to `path`."""
    accelerator = accelerator_only(chip)
    workload, arithmetic = answered(trace, chip, workload, arithmetic)
    trace = as_stored(trace, chip, arithmetic)
    asked = prepare(
        trace, workload, exit_policy, pad_to, arithmetic, strategy=strategy,
        target=LatencyTarget.of(latency_target_s, latency_target_fraction),
    )  # fmt: skip
    played = play(asked, accelerator, load_technology())
    write_timeline(path, timeline_content(played, sentences))
    return played.result()


def accelerator_only(chip: Chip) -> AcceleratorSpec:
    """The chip, if it is one whose events are simulated; InputError otherwise."""
    if not isinstance(chip, AcceleratorSpec):
        raise InputError(
            f"{chip.name} is of kind {chip.kind}, which is not simulated event by event; choose an "
            "accelerator (edgesim chip list)"
        )
    return chip


def timeline_content(played: PlayedRun, sentences: Sequence[int]) -> dict[str, Any]:
    """What a timeline file holds: the events, and what they were simulated from."""
    asked = played.asked
    entropies = None if asked.workload is None else asked.workload.entropies
    exits = ExitRecord(entropies, asked.settings["exit_threshold"])
    settings = {name: _storable(value) for name, value in asked.settings.items()}
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "schema_version": SCHEMA_VERSION, "chip": played.chip.name,
            "model": asked.trace.name, "sentences": list(sentences),
            "clock_hz": played.chip.clock.frequency_hz, "settings": settings,
        },
        "traceEvents": timeline_events(played.run, played.simulator.plans, sentences, exits),
    }  # fmt: skip


def write_timeline(path: Path, content: Mapping[str, Any]) -> None:
    """Write a trace, one event a line, whole or not at all."""
    head = {key: value for key, value in content.items() if key != "traceEvents"}
    lines = ",\n".join(_json(event) for event in content["traceEvents"])
    write_text(path, f'{_json(head)[:-1]}, "traceEvents": [\n{lines}\n]}}\n')


def _storable(value: Any) -> Any:
    """A setting that JSON can hold; infinities in words."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _json(content: Any) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False)
