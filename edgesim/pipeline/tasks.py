"""Several tasks on one chip: their heads and encoders over one store of embeddings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgesim.energy.power_on import PowerOnTerm
from edgesim.energy.task_switch import TaskSwitch, fetched, task_switch
from edgesim.errors import InfeasibleError, InputError
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.ops import AttentionScores
from edgesim.ir.optrace import OpTrace
from edgesim.ir.predictor import ExitPredictor
from edgesim.ir.result import SimResult
from edgesim.mapping.placement import Placement, place
from edgesim.tech import Technology, load_technology, media_of_class

Order = Literal["random", "turns"]
BITS_PER_ENTRY = 8
"""Of a span, and of a forecast entropy, in the auxiliary memory (1 KB for 100 x 10 as released)."""
MIB_BITS = 8 * 2**20


@dataclass(frozen=True, eq=False)
class Task:
    """One task: its model, its simulated sentences, and its exit predictor if it uses one."""

    trace: OpTrace
    result: SimResult
    predictor: ExitPredictor | None = None

    @property
    def table_bits(self) -> int:
        """Spans of the heads and the predictor's table."""
        spans = sum(
            len(op.spans)
            for op in self.trace.all_ops()
            if isinstance(op, AttentionScores) and any(s is not None for s in op.spans)
        )
        forecasts = 0 if self.predictor is None else self.predictor.forecasts.size
        return BITS_PER_ENTRY * (spans + forecasts)


@dataclass(frozen=True, eq=False)
class PlayedSwitches:
    """Switches over a sequence of sentences."""

    seconds: NDArray[np.float64]
    """Time of the switch before each sentence; 0 where there is none."""
    joules: NDArray[np.float64]
    count: int
    reloads: int
    """Switches that bring weights anew."""


@dataclass(frozen=True, eq=False)
class TaskSet:
    """Tasks that take turns on a chip, what each needs of every medium, what switching costs."""

    tasks: tuple[Task, ...]
    needs: tuple[dict[str, int], ...]
    """Bits of each task's own weights by medium."""
    free_bits: dict[str, int]
    """Bits that shared embeddings leave of each storage that holds weights."""
    shared_bits: int
    """Embeddings at rest."""
    source: str
    """Where weights are reloaded from."""
    spared: PowerOnTerm
    """Reading the embeddings from there at every switch, which sharing them spares."""
    all_resident: bool
    """Whether the weights of all tasks fit at once."""
    switches: tuple[tuple[TaskSwitch, TaskSwitch], ...]
    """Of every task: with its weights at rest, and with them brought anew."""

    def played(self, order: NDArray[np.int64]) -> PlayedSwitches:
        """The switches before the sentences of tasks in this order.

        Weights stay while there is room; those of the task used longest ago leave first. The chip
        begins with the first task's tables, and with weights in the order of the tasks.
        """
        seconds, joules = np.zeros(len(order)), np.zeros(len(order))
        inside: OrderedDict[int, None] = OrderedDict()
        for task in range(len(self.tasks)):
            if self._fit([*inside, task]):
                inside[task] = None
        switches, reloads, current = 0, 0, int(order[0])
        for row, task in enumerate(order.tolist()):
            missing = task not in inside
            if missing:
                while not self._fit([*inside, task]):
                    inside.popitem(last=False)
                inside[task] = None
                reloads += 1
            inside.move_to_end(task)
            if task != current or missing:
                switches += 1
                switch = self.switches[task][missing]
                seconds[row], joules[row] = switch.time_s.value, switch.energy_j.value
            current = task
        return PlayedSwitches(seconds, joules, switches, reloads)

    def _fit(self, tasks: Sequence[int]) -> bool:
        return not _overfull(self.needs, self.free_bits, tasks)

    def lines(self) -> list[str]:
        """What is shared, what stays, and the switch term by term."""
        from edgesim.ir.quantity import interval_text

        own = [sum(need.values()) / MIB_BITS for need in self.needs]
        stays = "stay too" if self.all_resident else f"come from {self.source} where they left"
        lines = [
            f"{len(self.tasks)} tasks over one store of embeddings of "
            f"{self.shared_bits / MIB_BITS:.2f} MiB, which stays; own weights of "
            f"{', '.join(f'{mib:.2f}' for mib in own)} MiB {stays}",
            f"  sharing spares {interval_text(self.spared.time_s, 's')} and "
            f"{interval_text(self.spared.energy_j, 'J')} of embeddings read from {self.source} at "
            "every switch",
        ]
        for task, (kept, reloaded) in zip(self.tasks, self.switches, strict=True):
            switch = kept if self.all_resident else reloaded
            lines.append(
                f"  switch to {task.trace.name}: {interval_text(switch.time_s, 's')}, "
                f"{interval_text(switch.energy_j, 'J')}"
            )
            lines += [
                f"    {term.name}: {interval_text(term.time_s, 's')}, "
                f"{interval_text(term.energy_j, 'J')}"
                for term in switch.terms
            ]
        return lines

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "shared_embedding_bytes": self.shared_bits / 8, "source": self.source,
            "spared": {
                "time_s": self.spared.time_s.to_json(), "energy_j": self.spared.energy_j.to_json(),
            },
            "all_resident": self.all_resident,
            "tasks": [
                {
                    "name": task.trace.name, "own_bytes": sum(need.values()) / 8,
                    "switch": _switch_json(kept), "switch_with_reload": _switch_json(reloaded),
                }
                for task, need, (kept, reloaded) in zip(
                    self.tasks, self.needs, self.switches, strict=True
                )
            ],
        }  # fmt: skip


def task_set(
    tasks: Sequence[Task], chip: AcceleratorSpec, technology: Technology | None = None
) -> TaskSet:
    """Tasks that share their embeddings on one chip.

    Raises InputError for tables that differ, and where weights that do not fit side by side rest in
    a medium that cannot be written, or in the one that they would come from.
    """
    tables = technology or load_technology()
    _check_shared(tasks)
    placements = [_placed(task.trace, chip) for task in tasks]
    shared = placements[0]
    held: dict[str, int] = {}
    for table in shared.tables.values():
        for index, medium in enumerate(table.media):
            family = storage_family(medium)
            held[family] = held.get(family, 0) + table.bits_in(index)
    needs = tuple(_own_bits(placement) for placement in placements)
    families = {storage_family(medium) for need in needs for medium in need}
    free = {f: 8 * chip.storage[f].capacity_bytes - held.get(f, 0) for f in families}
    drams = media_of_class("dram")
    source = next((m for m in drams if storage_family(m) in chip.storage), "")
    if not source:
        raise InputError(f"{chip.name} has no DRAM that a task's tables could come from")
    full = _overfull(needs, free, range(len(tasks)))
    if full:
        _check_reload(chip, needs, free, full, source)
    switches = tuple(
        (
            task_switch(chip, tables, source, task.table_bits, {}),
            task_switch(chip, tables, source, task.table_bits, _elsewhere(need, source)),
        )
        for task, need in zip(tasks, needs, strict=True)
    )
    return TaskSet(
        tuple(tasks), needs, free, shared.stored_bits.get("embedding_weight", 0), source,
        fetched(chip, tables, source, shared.stored_bits.get("embedding_weight", 0)), not full,
        switches,
    )  # fmt: skip


def task_order(
    num_sentences: int, num_tasks: int, order: Order, burst: int, seed: int
) -> NDArray[np.int64]:
    """Task of every arrival: in turn or drawn at random, `burst` sentences of one after another."""
    if burst < 1:
        raise InputError(f"bursts of {burst} sentences: at least 1 is wanted")
    if order not in ("random", "turns"):
        raise InputError(f"order {order!r}; allowed: random, turns")
    bursts = -(-num_sentences // burst)
    drawn = np.arange(bursts) % num_tasks
    if order == "random":
        drawn = np.random.default_rng([seed, 1]).integers(num_tasks, size=bursts)
    return np.repeat(drawn, burst)[:num_sentences]


def _placed(trace: OpTrace, chip: AcceleratorSpec) -> Placement:
    placed = place(trace, chip)
    if isinstance(placed, Infeasible):
        raise InfeasibleError(f"{trace.name}: {placed.message()}", placed)
    return placed


def _own_bits(placement: Placement) -> dict[str, int]:
    bits: dict[str, int] = {}
    for weight in placement.weights.values():
        bits[weight.medium] = bits.get(weight.medium, 0) + weight.stored_bits
    return bits


def _elsewhere(need: dict[str, int], source: str) -> dict[str, int]:
    """Bits that rest in another medium than the one they come from."""
    return {medium: bits for medium, bits in need.items() if medium != source}


def _overfull(
    needs: Sequence[dict[str, int]], free: dict[str, int], tasks: Sequence[int] | range
) -> str:
    """A storage that the weights of these tasks do not fit in side by side; empty if they do."""
    total: dict[str, int] = {}
    for task in tasks:
        for medium, bits in needs[task].items():
            family = storage_family(medium)
            total[family] = total.get(family, 0) + bits
    return next((family for family, bits in total.items() if bits > free[family]), "")


def _check_shared(tasks: Sequence[Task]) -> None:
    """InputError unless all tasks have the same tables: shapes, formats and masks.

    A trace holds no values; masks of pruned tables tell them apart.
    """
    first, *others = tasks
    for task in others:
        if _tables(task.trace) != _tables(first.trace):
            raise InputError(
                f"{task.trace.name} and {first.trace.name} have different embedding tables; tasks "
                "share one store of them: train with embeddings that stay frozen"
            )


def _tables(trace: OpTrace) -> list[tuple[Any, ...]]:
    return sorted(
        (str(t.shape), str(t.number_format), np.asarray(trace.masks.get(t.name, ())).tobytes())
        for t in trace.tensors.values()
        if t.tensor_class == "embedding_weight"
    )


def _check_reload(
    chip: AcceleratorSpec, needs: Sequence[dict[str, int]], free: dict[str, int], full: str,
    source: str,
) -> None:  # fmt: skip
    demand = sum(b for need in needs for m, b in need.items() if storage_family(m) == full)
    words = (
        f"weights of {len(needs)} tasks take {demand / MIB_BITS:.2f} MiB of {full}, which has "
        f"{free[full] / MIB_BITS:.2f} MiB beside the embeddings"
    )
    if full == storage_family(source):
        raise InputError(f"{words}, and nothing behind it that they could come from; enlarge it")
    media = sorted({m for need in needs for m in need if storage_family(m) == full})
    for medium in media:
        if not chip.can_write(medium):
            raise InputError(
                f"{words}, and {medium} is read-only on this chip; set storage.{full}.writable, "
                f"enlarge it, or place weights in {source}"
            )


def _switch_json(switch: TaskSwitch) -> dict[str, Any]:
    return {
        "time_s": switch.time_s.to_json(), "energy_j": switch.energy_j.to_json(),
        "terms": [
            {"name": t.name, "time_s": t.time_s.to_json(), "energy_j": t.energy_j.to_json()}
            for t in switch.terms
        ],
    }  # fmt: skip
