"""From choices to work: which points are known, which are impossible, which must be computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.errors import ChipError, InputError
from edgesim.hw.spec import Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import trace_hash
from edgesim.ir.workload import Workload
from edgesim.pipeline.models import find_model
from edgesim.sweeps.chip_hash import ChipHashes
from edgesim.sweeps.code_version import code_version
from edgesim.sweeps.design import Choice, Design, Point
from edgesim.sweeps.job import Source, write_source
from edgesim.sweeps.sentences import spread_subset
from edgesim.sweeps.store import Outcome
from edgesim.tech import Technology, load_technology

KEPT_CHIPS = 64
"""Chips that a planner remembers; choices come in an order that keeps equal chips together."""


@dataclass(frozen=True, eq=False)
class Job:
    """A point with its key, and its chip unless the point is none."""

    key: str
    choice: Mapping[str, Any]
    point: Point
    source: Source
    chip: Chip | None
    reason: str
    """Why there is no such chip."""
    inputs: Mapping[str, Any]

    def outcome(self, status: str, reason: str, figures: Mapping[str, Any], s: float) -> Outcome:
        """What became of the point, as it is stored."""
        return Outcome(self.key, status, reason, figures, self.inputs, code_version(), s)


class Planner:
    """Turns choices of a design into jobs; holds the sources that workers read."""

    def __init__(self, design: Design, sources: Mapping[str | None, Source]) -> None:
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
        source = self.sources[point.model]
        inputs = {
            "source": source.key, "chip": chip_hash, "chip_name": point.chip,
            "model": point.model, "options": point.options.to_json(),
        }  # fmt: skip
        key = _hash([source.key, chip_hash, inputs["options"], code_version()])
        return Job(key, point.choice, point, source, chip, reason, inputs)

    def _chip(self, point: Point) -> tuple[Chip | None, str, str]:
        """The chip, the hash of its content, and why it is none."""
        asked = repr((point.chip, point.overrides))
        if asked not in self._chips:
            if len(self._chips) >= KEPT_CHIPS:
                self._chips.clear()
            template = self.design.templates[point.chip]
            try:
                chip = template.chip(point.overrides)
            except ChipError as error:
                content = _hash(template.content(point.overrides))
                self._chips[asked] = None, content, _without_places(str(error))
            else:
                self._chips[asked] = chip, self._hashes.of(chip), ""
        return self._chips[asked]


def make_sources(
    design: Design, trace: OpTrace | None, workload: Workload | None,
    technology: Technology | None, reuse: bool, folder: Path,
) -> dict[str | None, Source]:  # fmt: skip
    """A source per model of a design, written to a folder. Raises InputError where none is given.

    A trace that is given stands for a space without models; a model brings its recorded workload
    unless one is given.
    """
    sources = {}
    tables = (technology or load_technology()).content_hash()
    for number, name in enumerate(design.models):
        mine, sentences = trace, workload
        if trace is None:
            if name is None:
                raise InputError(
                    f"{design.name}: names no model and no trace is given; add model: NAME to the "
                    "space, or call sweep(space, trace, workload=…)"
                )
            model = find_model(name)
            mine, sentences = model.trace(), workload or model.workload()
        assert mine is not None
        if design.sentences is not None and sentences is not None:
            sentences = spread_subset(sentences, design.sentences)
        words = None if sentences is None else sentences.content_hash()
        key = _hash([trace_hash(mine), words, tables])
        place = folder / str(number)
        sources[name] = write_source(place, key, mine, sentences, technology, reuse)
    return sources


def _without_places(text: str) -> str:
    """A chip's faults in one line."""
    return "; ".join(line for line in text.split("\n") if line)


_text = json.JSONEncoder(sort_keys=True, default=str).encode


def _hash(content: Any) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()
