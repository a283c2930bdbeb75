"""Timelines of a run as Chrome/Perfetto trace files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgesim.files import json_text, json_values
from edgesim.hw.spec import Chip
from edgesim.ir.exits import ExitPolicy
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32, RunRequest
from edgesim.ir.workload import Workload
from edgesim.pipeline.opening import PlayedRun, open_run
from edgesim.pipeline.output import write_text
from edgesim.report.timeline import ExitRecord, timeline_events
from edgesim.tech import Technology

SCHEMA_VERSION = 1


def timeline(
    trace: OpTrace, chip: Chip, path: str | Path | None = None, *,
    workload: Workload | None = None, exit_policy: ExitPolicy | None = None,
    pad_to: int | None = None, sentences: Sequence[int] = (1,),
    technology: Technology | None = None, latency_target_s: float | None = None,
    latency_target_fraction: float | None = None, strategy: str | None = None,
    arithmetic: str = FLOAT32,
) -> dict[str, Any]:  # fmt: skip
    """The trace of some sentences of a run, 1-based, for Perfetto or chrome://tracing.

    The run is that of `simulate` with the same arguments. With `path` it is also written there.
    Each sentence starts at its own time 0. Raises InputError for a chip without events (a GPU).
    """
    request = RunRequest.of(
        workload=workload, exit_policy=exit_policy, pad_to=pad_to, arithmetic=arithmetic,
        latency_target_s=latency_target_s, latency_target_fraction=latency_target_fraction,
        strategy=strategy,
    )  # fmt: skip
    content = timeline_content(open_run(request, trace, chip, technology).played, sentences)
    if path is not None:
        write_timeline(Path(path), content)
    return content


def timeline_content(played: PlayedRun, sentences: Sequence[int]) -> dict[str, Any]:
    """What a timeline file holds: the events, and what they were simulated from."""
    inputs, stated = played.inputs, played.inputs.stated()
    entropies = None if inputs.workload is None else inputs.workload.entropies
    exits = ExitRecord(entropies, stated["exit_threshold"])
    return {
        "displayTimeUnit": "ns",
        "otherData": {
            "schema_version": SCHEMA_VERSION, "chip": played.chip.name,
            "model": inputs.trace.name, "sentences": list(sentences),
            "clock_hz": played.chip.clock.frequency_hz, "settings": json_values(stated),
        },
        "traceEvents": timeline_events(played.run, played.simulator.plans, sentences, exits),
    }  # fmt: skip


def write_timeline(path: Path, content: Mapping[str, Any]) -> None:
    """Write a trace, one event a line, whole or not at all."""
    head = {key: value for key, value in content.items() if key != "traceEvents"}
    lines = ",\n".join(_json(event) for event in content["traceEvents"])
    write_text(path, f'{_json(head)[:-1]}, "traceEvents": [\n{lines}\n]}}\n')


def _json(content: Any) -> str:
    return json_text(content, sort_keys=True)
