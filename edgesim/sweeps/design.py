"""A checked space: what every choice of its axes means, or all of its faults at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from edgesim.errors import EdgesimError, InputError
from edgesim.hw.loader import OVERRIDE, ChipTemplate
from edgesim.pipeline.models import find_model
from edgesim.sweeps.axis import OPTIONS, RESERVED, Axis, Setting, parse_axis
from edgesim.sweeps.constraint import Constraint, parse_constraint
from edgesim.sweeps.form import well_formed
from edgesim.sweeps.options import option_faults, option_value
from edgesim.sweeps.search import Search, parse_search
from edgesim.sweeps.space import Space

Choice = tuple[Any, ...]
"""One value per axis."""
MOST_POINTS = 1_000_000


@dataclass(frozen=True, eq=False)
class Point:
    """One design: a chip with overrides, a model and run options."""

    choice: Setting
    """What the axes set, by path."""
    model: str | None
    chip: str
    overrides: Mapping[str, Any]
    options: Mapping[str, Any]
    """Every run option by name; None stands for its absence."""


@dataclass(frozen=True, eq=False)
class Design:
    """A space whose parts are known to be right, one by one."""

    name: str
    axes: tuple[Axis, ...]
    chip: str
    model: str | None
    fixed: Setting
    constraints: tuple[Constraint, ...]
    sentences: int | None
    search: Search
    templates: Mapping[str, ChipTemplate]
    """By chip file or name."""

    @property
    def grid_size(self) -> int:
        """Points of the whole grid."""
        return prod(axis.grid_size for axis in self.axes)

    @property
    def models(self) -> tuple[str | None, ...]:
        """Models that points may name, each once; None for the trace that a sweep is given."""
        return self._named("model", self.model)

    @property
    def arithmetics(self) -> tuple[str | None, ...]:
        """Arithmetics that points may name, each once; None is that of the workload."""
        return self._named("arithmetic", None)

    def _named(self, path: str, default: Any) -> tuple[Any, ...]:
        """Values that points may give a path, each once."""
        values = [self.fixed.get(path, default)]
        for axis in self.axes:
            settings = (axis.setting(value) for value in axis.values)
            named = [setting[path] for setting in settings if path in setting]
            values = named or values
        return tuple(dict.fromkeys(values))

    def chip_part(self, choice: Sequence[Any]) -> list[Any]:
        """The values that decide about chip and model, run options left out."""
        return [
            value
            for axis, value in zip(self.axes, choice, strict=True)
            if not set(axis.setting(value)) <= set(OPTIONS)
        ]

    def point(self, choice: Sequence[Any]) -> Point:
        """The design of one value per axis."""
        chosen: Setting = {}
        for axis, value in zip(self.axes, choice, strict=True):
            chosen |= axis.setting(value)
        every = {**self.fixed, **chosen}
        options = {name: option_value(name, every.get(name)) for name in OPTIONS}
        overrides = {path: value for path, value in every.items() if path not in RESERVED}
        return Point(
            chosen, every.get("model", self.model), str(every.get("chip", self.chip)), overrides,
            options,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """What tells this exploration from another, as JSON values."""
        return {
            "name": self.name, "chip": self.chip, "model": self.model, "fixed": self.fixed,
            "sentences": self.sentences,
            "axes": [
                [axis.name, list(axis.values), None if axis.range is None else vars(axis.range)]
                for axis in self.axes
            ],
            "constraints": [constraint.text for constraint in self.constraints],
            "search": vars(self.search),
        }  # fmt: skip


def design_of(space: Space) -> Design:
    """The checked design of a space; InputError lists every fault with its place."""
    space, faults = well_formed(space)
    search, wrong = parse_search(space.search)
    faults += [f"{space.place('search')}: search: {line}" for line in wrong]
    axes = tuple(_axes(space, faults))
    constraints = tuple(_constraints(space, faults))
    if space.sentences is not None and (type(space.sentences) is not int or space.sentences < 1):
        faults.append(
            f"{space.place('sentences')}: sentences: got {space.sentences!r}; a whole number of at "
            "least 1, or leave it out to take all"
        )
    templates = _templates(space, axes, faults)
    faults += _setting_faults(space, axes, templates)
    if search.method == "grid":
        faults += _grid_faults(space, axes)
    if not faults:
        faults += _size_faults(space, axes, search)
    if faults:
        raise InputError("\n".join(dict.fromkeys(faults)))
    return Design(
        space.name, axes, space.chip, space.model, dict(space.settings), constraints,
        space.sentences, search, templates,
    )  # fmt: skip


def _axes(space: Space, faults: list[str]) -> Iterator[Axis]:
    for name, given in space.axes.items():
        try:
            yield parse_axis(name, given)
        except InputError as error:
            faults.append(f"{space.place('axes', name)}: {name}: {error}")


def _constraints(space: Space, faults: list[str]) -> Iterator[Constraint]:
    given = space.constraints
    for number, text in enumerate([given] if isinstance(given, str) else given):
        try:
            yield parse_constraint(text)
        except InputError as error:
            faults.append(f"{space.place('constraints', number)}: constraint: {error}")


def _templates(space: Space, axes: Sequence[Axis], faults: list[str]) -> dict[str, ChipTemplate]:
    """The chips that points may start from."""
    named = {str(space.settings.get("chip", space.chip)): ("chip",)}
    for axis in axes:
        found = [
            (setting["chip"], ("axes", axis.name, number))
            for number, setting in enumerate(axis.setting(value) for value in axis.values)
            if "chip" in setting
        ]
        named = {str(chip): place for chip, place in found} if found else named  # type: ignore[misc]
    templates = {}
    for chip, place in named.items():
        try:
            templates[chip] = ChipTemplate(chip)
        except EdgesimError as error:
            faults.append(f"{space.place(*place)}: chip: {error}")
    return templates


def _setting_faults(
    space: Space, axes: Sequence[Axis], templates: Mapping[str, ChipTemplate]
) -> list[str]:
    """Faults of every value of every axis, taken alone, and of paths that two axes set."""
    faults = []
    owners: dict[str, str] = {}
    for path, value in space.settings.items():
        wrong = _value_faults(path, value, templates)
        faults += [f"{space.place('settings', path)}: settings: {line}" for line in wrong]
        owners[path] = "settings"
    for axis in axes:
        ends = axis.values if axis.range is None else (axis.at(0.0), axis.at(1.0))
        for number, value in enumerate(ends):
            place = space.place("axes", axis.name, number)
            for path, part in axis.setting(value).items():
                wrong = _value_faults(path, part, templates)
                faults += [f"{place}: {line}" for line in wrong]
                owner = owners.setdefault(path, axis.name)
                if owner != axis.name:
                    faults.append(f"{place}: {path} is set by {owner} and by {axis.name}; keep one")
    return faults


def _value_faults(path: str, value: Any, templates: Mapping[str, ChipTemplate]) -> list[str]:
    """What is wrong with one path set to one value."""
    if path == "chip":
        return []
    if path == "model":
        try:
            find_model(str(value))
        except InputError as error:
            return [f"model: {error}"]
        return []
    if path in OPTIONS:
        return option_faults(path, value)
    lines = [
        line.removeprefix(OVERRIDE)
        for template in templates.values()
        for line in template.override_faults({path: value})
    ]
    near = difflib.get_close_matches(path, RESERVED, n=1)
    if lines and near and "." not in path:
        lines = [f"no such path or run option; did you mean {near[0]!r}?"]
    return [line if line.startswith(path) else f"{path}: {line}" for line in dict.fromkeys(lines)]


def _grid_faults(space: Space, axes: Sequence[Axis]) -> list[str]:
    faults = []
    for axis in axes:
        try:
            _ = axis.grid_size
        except InputError as error:
            faults.append(f"{space.place('axes', axis.name)}: {error}")
    return faults


def _size_faults(space: Space, axes: Sequence[Axis], search: Search) -> list[str]:
    """Whether there are more points than a store or a reader can use."""
    if search.method == "grid":
        wanted, sizes = prod(axis.grid_size for axis in axes), _sizes(axes)
        place, words = space.place("axes"), f"{wanted:,} points ({sizes})"
        advice = "take fewer values, or search: {method: sobol, points: 1000} or nsga2"
    else:
        wanted, place = search.points or 0, space.place("search", "points")
        words, advice = f"{wanted:,} points of {search.method}", "ask for fewer"
    if wanted <= MOST_POINTS:
        return []
    return [f"{place}: {space.name}: {words}; at most {MOST_POINTS:,} are computed: {advice}"]


def _sizes(axes: Sequence[Axis]) -> str:
    return " × ".join(f"{axis.grid_size:,} {axis.name}" for axis in axes)
