"""From choices to work: which points are known, which are impossible, which must be computed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import ChipError, InputError
from edgesim.files import json_values
from edgesim.hw.spec import Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import FLOAT32, RunRequest
from edgesim.ir.trace_file import trace_hash
from edgesim.ir.workload import Workload
from edgesim.pipeline.models import find_model
from edgesim.sweeps.chip_hash import ChipHashes
from edgesim.sweeps.code_version import code_version
from edgesim.sweeps.design import Choice, Design, Point
from edgesim.sweeps.job import PointRequest, Source, write_source
from edgesim.sweeps.sentences import spread_subset
from edgesim.sweeps.store import Outcome
from edgesim.tech import Technology, load_technology

SourceName = tuple[str | None, str | None]
"""Model and arithmetic of points; None is the trace that a sweep is given, and the arithmetic of
the workload's answers."""
KEPT_CHIPS = 64
"""Chips that a planner remembers; choices come in an order that keeps equal chips together."""


@dataclass(frozen=True, eq=False)
class Job:
    """A point with its key, and what a worker computes for it."""

    key: str
    choice: Mapping[str, Any]
    source: Source
    work: PointRequest | None
    """What a worker computes; None where no chip or no run is as the choice says."""
    reason: str
    """Why there is none."""
    inputs: Mapping[str, Any]

    def outcome(self, status: str, reason: str, figures: Mapping[str, Any], s: float) -> Outcome:
        """What became of the point, as it is stored."""
        return Outcome(self.key, status, reason, figures, self.inputs, code_version(), s)


class Planner:
    """Turns choices of a design into jobs; holds the sources that workers read."""

    def __init__(self, design: Design, sources: Mapping[SourceName, Source]) -> None:
        self.design = design
        self.sources = sources
        self._chips: dict[str, tuple[Chip | None, str, str]] = {}
        self._hashes = ChipHashes()

    def groups(self, choices: Sequence[Choice]) -> list[list[int]]:
        """Places of the choices by chip and model, like ones next to each other.

        The first axis changes slowest, as in a grid, so that neighbours share most.
        """
        groups: dict[str, list[int]] = {}
        for place, choice in enumerate(choices):
            groups.setdefault(_text(self.design.chip_part(choice)), []).append(place)
        return [groups[text] for text in sorted(groups)]

    def job(self, choice: Choice) -> Job:
        """The job of a choice; different choices may share a key."""
        point = self.design.point(choice)
        chip, chip_hash, reason = self._chip(point)
        source = self._source(point, chip)
        options = {**point.options, "arithmetic": point.options["arithmetic"] or source.arithmetic}
        inputs = {
            "source": source.key, "chip": chip_hash, "chip_name": point.chip,
            "model": point.model, "options": json_values(options),
        }  # fmt: skip
        key = _hash([source.key, chip_hash, inputs["options"], code_version()])
        work = None
        if chip is not None:
            try:
                work = chip, RunRequest.of(**options)
            except InputError as error:
                reason = str(error)
        return Job(key, point.choice, source, work, reason, inputs)

    def _source(self, point: Point, chip: Chip | None) -> Source:
        """Trace and workload of a point; chips that are no accelerators compute in float32."""
        arithmetic = point.options["arithmetic"]
        if arithmetic is not None and chip is not None and chip.kind != "accelerator":
            arithmetic = FLOAT32
        return self.sources[point.model, arithmetic]

    def _chip(self, point: Point) -> tuple[Chip | None, str, str]:
        """The chip, the hash of its content, and why it is none."""
        key = repr((point.chip, point.overrides))
        if key not in self._chips:
            if len(self._chips) >= KEPT_CHIPS:
                self._chips.clear()
            template = self.design.templates[point.chip]
            try:
                chip = template.chip(point.overrides)
            except ChipError as error:
                content = _hash(template.content(point.overrides))
                self._chips[key] = None, content, _without_places(str(error))
            else:
                self._chips[key] = chip, self._hashes.of(chip), ""
        return self._chips[key]


def make_sources(
    design: Design, trace: OpTrace | None, workload: Workload | None,
    technology: Technology | None, reuse: bool, folder: Path,
) -> dict[SourceName, Source]:  # fmt: skip
    """Sources by model and arithmetic, written to a folder. InputError where no trace is given.

    A trace that is given stands for a space without models; a model brings what was recorded with
    it in each arithmetic, unless a workload is given.
    """
    sources: dict[SourceName, Source] = {}
    tables = (technology or load_technology()).content_hash()
    wanted = dict.fromkeys(design.arithmetics)
    if set(wanted) != {None}:
        wanted[FLOAT32] = None  # of chips that are no accelerators
    for model, arithmetic in itertools.product(design.models, wanted):
        own_trace, sentences = trace, workload
        if trace is None:
            own_trace, sentences = _recorded(design, model, arithmetic or FLOAT32, workload)
        assert own_trace is not None
        if design.sentences is not None and sentences is not None:
            sentences = spread_subset(sentences, design.sentences)
        if set(wanted) <= {None, FLOAT32} and (not sentences or sentences.arithmetic == FLOAT32):
            own_trace = replace(own_trace, values=None)  # nothing is executed
        words = None if sentences is None else sentences.content_hash()
        key = _hash([trace_hash(own_trace), words, tables, _executed(own_trace, sentences)])
        known = [source for source in sources.values() if source.key == key]
        place = folder / str(len(sources))
        sources[model, arithmetic] = (
            known[0] if known else write_source(place, key, own_trace, sentences, technology, reuse)
        )
    return sources


def _recorded(
    design: Design, model: str | None, arithmetic: str, workload: Workload | None
) -> tuple[OpTrace, Workload | None]:
    """Trace of a model, and its recorded sentences unless others are given."""
    if model is None:
        raise InputError(
            f"{design.name}: names no model and no trace is given; add model: NAME to the "
            "space, or call sweep(space, trace, workload=…)"
        )
    folder = find_model(model)
    return folder.trace(arithmetic), workload or folder.workload(arithmetic)


def _executed(trace: OpTrace, workload: Workload | None) -> list[str]:
    """Hashes of what executing a trace reads and its own hash leaves out."""
    values = trace.values or {}
    parts: list[NDArray[Any]] = [values[name] for name in sorted(values)]
    ordered = workload is not None and workload.in_order
    if ordered and workload is not None and workload.token_ids is not None:
        parts += workload.token_ids
    return [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in parts]


def _without_places(text: str) -> str:
    """A chip's faults in one line."""
    return "; ".join(line for line in text.split("\n") if line)


_text = json.JSONEncoder(sort_keys=True, default=str).encode


def _hash(content: Any) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()
