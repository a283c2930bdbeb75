"""A space as it is written: axes over a chip, a model and a run, with constraints and a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgesim.placed_yaml import Place
from edgesim.sweeps.space_file import read_space


@dataclass(frozen=True, eq=False)
class Space:
    """What to explore; `edgesim.sweeps.design.design_of` checks it.

    An axis is named by a dotted chip path (`pu.vector_size`), by `chip`, `model`, `exit_threshold`
    (nats, None is full depth), `exit_layer`, `strategy`, `latency_target_s` (seconds or "50 ms"),
    `latency_target_fraction`, `pad_to`, `arithmetic` (None takes answers as the workload holds
    them) or `precision` (of GPUs), or freely when its values are mappings that set several of
    these at once. Its values are a list, or a range
    `{"low": …, "high": …, "num": …, "log": …}` of numbers or quantities ("0.6 V"); `num` is needed
    by a grid only.
    """

    axes: Mapping[str, Any]
    chip: str = "edgebert-n16"
    """Chip file or name that the paths change, unless an axis is named `chip`."""
    model: str | None = None
    """Zoo model with its recorded workload; None where the sweep is given a trace."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Chip paths and run options that are the same in every point."""
    constraints: Sequence[str] = ()
    """Bounds on figures, such as "area_mm2 <= 2"; points beyond them are infeasible rows."""
    sentences: int | None = None
    """Evaluate so many sentences, spread evenly over the lengths; None takes all."""
    search: str | Mapping[str, Any] = "grid"
    """`grid`, or a mapping with `method` (`grid`, `random`, `sobol`, `nsga2`), `points`, `seed`,
    and for `nsga2` `population`, `minimize`, `maximize`."""
    name: str = "space"
    places: Mapping[Place, str] = field(default_factory=dict)
    """`file:line` of what was read from a file."""

    @classmethod
    def load(cls, path: str | Path) -> Space:
        """The space of a YAML file; InputError for what is no mapping or has unknown keys."""
        values, places = read_space(Path(path))
        values.setdefault("name", Path(path).stem)
        return cls(**values, places=places)

    def place(self, *at: str | int) -> str:
        """Where a part was written: file and line, else its name."""
        for length in range(len(at), 0, -1):
            found = self.places.get(at[:length])
            if found:
                return found
        return "space"
