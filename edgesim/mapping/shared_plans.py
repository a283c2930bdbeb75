"""Plans that chips share: a plan does not see voltage, clock, or where embeddings rest."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgesim.hw.spec import AcceleratorSpec, chip_content
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.plan import SegmentPlan
from edgesim.mapping.placement import Placement
from edgesim.mapping.repeats import segment_shape
from edgesim.mapping.stored_forms import StoredForms

UNPLANNED = (
    "description", "assumed", "not_modelled", "clock", "voltage_scaling", "storage", "embedding",
)  # fmt: skip
"""Parts of a chip that plans see only through the placement of weights."""
DEFAULT_MOST_CHIPS = 16
MOST_INTERNED = 20_000


class Shapes:
    """Numbers of a trace's segments, by label: equal where the segments repeat each other."""

    def __init__(self) -> None:
        self._of_label: dict[str, int] = {}
        self._numbers: dict[object, int] = {}

    def number(self, label: str, trace: OpTrace, ops: Sequence[Op]) -> int:
        """The number of a segment's shape."""
        if label not in self._of_label:
            shape = (label.split(" ", 1)[0], segment_shape(trace, ops))
            self._of_label[label] = self._numbers.setdefault(shape, len(self._numbers))
        return self._of_label[label]


@dataclass(eq=False)
class KnownPlans:
    """Plans of one trace on chips that plan alike, by label and tokens."""

    plans: dict[tuple[str, int], SegmentPlan] = field(default_factory=dict)
    refused: dict[tuple[str, int], Infeasible] = field(default_factory=dict)
    shapes: dict[tuple[int, int], str] = field(default_factory=dict)
    """Label of the first segment of a shape, by its number and tokens."""
    ops: dict[str, Sequence[Op]] = field(default_factory=dict)
    """Ops of that segment."""
    intern: Callable[[SegmentPlan], SegmentPlan] = field(default=lambda plan: plan)
    """Every new plan passes through it."""
    embeddings: dict[object, SegmentPlan] = field(default_factory=dict)
    """Plans of the prologue, by tokens and by what is read from where."""


class SharedPlans:
    """Known plans of one trace by what the mapper reads of a chip; the oldest chips leave first."""

    def __init__(self, most_chips: int = DEFAULT_MOST_CHIPS) -> None:
        self.most_chips = most_chips
        self.forms = StoredForms()
        """Weights as they were packed for these chips."""
        self.shapes = Shapes()
        self._known: OrderedDict[object, KnownPlans] = OrderedDict()
        self._interned: dict[SegmentPlan, SegmentPlan] = {}

    def of(self, chip: AcceleratorSpec, placement: Placement) -> KnownPlans:
        """The plans of chips that plan as this one does."""
        key = planned_key(chip, placement)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = KnownPlans(intern=self._intern)
        self._known.move_to_end(key)
        while len(self._known) > self.most_chips:
            self._known.popitem(last=False)
        return known

    def _intern(self, plan: SegmentPlan) -> SegmentPlan:
        """The first of equal plans, so that whoever looks one up need not compare its parts."""
        if len(self._interned) >= MOST_INTERNED:
            self._interned.clear()
        return self._interned.setdefault(plan, plan)


def planned_key(chip: AcceleratorSpec, placement: Placement) -> object:
    """What plans of a chip depend on, embedding rows aside, as a hashable value."""
    content = {name: part for name, part in chip_content(chip).items() if name not in UNPLANNED}
    memories = (chip.buffers.operand0, chip.buffers.operand1)
    content["buffers"] = [(memory.data_bytes, memory.ports) for memory in memories]
    media = content["placement"]
    content["placement"] = {name: media[name] for name in media if name != "embedding_weight"}
    weights = tuple((name, weight.medium) for name, weight in placement.weights.items())
    return json.dumps(content, sort_keys=True), tuple(sorted(chip.storage)), weights
