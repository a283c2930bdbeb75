"""Power-on of a trace's embeddings: a non-volatile medium against DRAM, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgesim.energy.power_on import (
    PowerOnCase,
    PowerOnPath,
    Start,
    dram_path,
    non_volatile_path,
)
from edgesim.errors import InfeasibleError, InputError
from edgesim.hw.spec import AcceleratorSpec, storage_family
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.interval import Interval
from edgesim.ir.optrace import OpTrace
from edgesim.ir.workload import Workload
from edgesim.mapping.placement import place
from edgesim.mapping.planner import Mapper
from edgesim.pipeline.simulate import simulate
from edgesim.tech import Technology, load_technology, media_of_class

CASES = {"A": "the whole table usable", "B": "the rows of the first sentence"}
STARTS: tuple[Start, ...] = ("cold", "self-refresh")
SRAM_SIZES = tuple(1 << exponent for exponent in range(14, 24))
PORT_BITS = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class PowerOnRow:
    """One case and start: both paths, and the ratios of DRAM to the non-volatile medium."""

    case: str
    """`A` or `B`."""
    start: Start
    non_volatile: PowerOnPath
    dram: PowerOnPath

    @property
    def time_ratio(self) -> Interval:
        """Time of the DRAM path over that of the non-volatile medium."""
        return self.dram.time_s.over(self.non_volatile.time_s)

    @property
    def energy_ratio(self) -> Interval:
        """The same for energy."""
        return self.dram.energy_j.over(self.non_volatile.energy_j)

    def cumulative(self) -> list[tuple[str, float, float]]:
        """The DRAM path's terms by falling energy, each with the energy and time ratio so far."""
        energy = time = 0.0
        rows = []
        for term in sorted(self.dram.terms, key=lambda t: -t.energy_j.value):
            energy += term.energy_j.value
            time += term.time_s.value
            rows.append(
                (term.name, energy / self.non_volatile.energy_j.value,
                 time / self.non_volatile.time_s.value)
            )  # fmt: skip
        return rows


@dataclass(frozen=True)
class PortRow:
    """Reading the first sentence's rows at a port width and a read energy."""

    port_bits: int
    read_energy_pj_per_bit: float
    time_s: float
    energy_j: float


@dataclass(frozen=True)
class PowerOn:
    """Power-on of one model on one chip."""

    model: str
    chip: str
    table_bytes: float
    num_rows: int
    """Rows of the first sentence."""
    row_bytes: float
    sram_bytes: int
    rows: tuple[PowerOnRow, ...]
    ports: tuple[PortRow, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "model": self.model, "chip": self.chip, "table_bytes": self.table_bytes,
            "num_rows": self.num_rows, "row_bytes": self.row_bytes, "sram_bytes": self.sram_bytes,
            "rows": [_row_json(row) for row in self.rows],
            "ports": [vars(port) for port in self.ports],
        }  # fmt: skip


def power_on(
    trace: OpTrace, chip: AcceleratorSpec, *, workload: Workload | None = None,
    pad_to: int | None = None, medium: str = "reram_mlc2", against: str = "lpddr4",
    sram_bytes: int = 2 * 2**20, technology: Technology | None = None,
) -> PowerOn:  # fmt: skip
    """Both cases, from a cold start and out of self-refresh.

    Without a workload the first sentence is `pad_to` tokens of the most frequent rows. An SRAM too
    small for the table is doubled until it holds it. Raises InputError for a medium of the wrong
    kind or a table beyond the largest SRAM of the tables.
    """
    tables = technology or load_technology()
    for given, allowed in (
        (medium, media_of_class("non-volatile")), (against, media_of_class("dram")),
    ):  # fmt: skip
        if given not in allowed:
            raise InputError(f"medium {given!r}; allowed here: {', '.join(allowed)}")
    placed = place(trace, chip)
    if isinstance(placed, Infeasible):
        raise InfeasibleError(placed.message())
    table_bits = sum(table.table.stored_bits for table in placed.tables.values())
    if not table_bits:
        raise InputError(f"{trace.name!r} has no embedding tables; there is nothing to power on")
    reads = _first_sentence(trace, chip, workload, pad_to)
    holder = _sram_for(table_bits, sram_bytes)
    hold_s = _sentence_s(trace, chip, workload, pad_to, tables)
    capacity = _capacity_bytes(chip, medium, table_bits)
    storage = chip.storage.get(storage_family(medium))
    port_bits = 64 if storage is None else storage.port_bits
    rows = []
    for name, bits in (("A", ()), ("B", reads)):
        case = PowerOnCase(table_bits, bits)
        lasting_path = non_volatile_path(chip, tables, medium, capacity, case, port_bits)
        for start in STARTS:
            other = dram_path(chip, tables, against, start, case, holder, hold_s)
            rows.append(PowerOnRow(name, start, lasting_path, other))
    return PowerOn(
        trace.name, chip.name, table_bits / 8, len(reads), sum(reads) / 8, holder, tuple(rows),
        _ports(chip, tables, medium, capacity, PowerOnCase(table_bits, reads)),
    )  # fmt: skip


def _first_sentence(
    trace: OpTrace, chip: AcceleratorSpec, workload: Workload | None, pad_to: int | None
) -> tuple[int, ...]:
    ids = None if workload is None or workload.token_ids is None else workload.token_ids[0]
    if workload is None and pad_to is None:
        raise InputError("power-on needs a first sentence: a workload or pad_to (--pad-to N)")
    length = pad_to or int(workload.num_tokens[0])  # type: ignore[union-attr]
    plan = Mapper(trace, chip).embedding(length, ids)
    return tuple(read.bits for read in plan.embedding_reads)


def _sentence_s(
    trace: OpTrace, chip: AcceleratorSpec, workload: Workload | None, pad_to: int | None,
    technology: Technology,
) -> float:  # fmt: skip
    """Full-depth time of one sentence as long as the first."""
    length = pad_to or int(workload.num_tokens[0])  # type: ignore[union-attr]
    result = simulate(trace, chip, pad_to=length, technology=technology)
    return result.latency_s.value


def _sram_for(table_bits: int, sram_bytes: int) -> int:
    sizes = [size for size in SRAM_SIZES if size >= max(sram_bytes, table_bits / 8)]
    if not sizes:
        raise InputError(
            f"embeddings of {table_bits / 8 / 2**20:.1f} MiB fit no SRAM of the technology tables "
            f"(up to {SRAM_SIZES[-1] // 2**20} MiB); prune them or shorten the vocabulary"
        )
    return sizes[0]


def _capacity_bytes(chip: AcceleratorSpec, medium: str, table_bits: int) -> int:
    """The chip's own macro of the medium, or the smallest power of two that holds the table."""
    storage = chip.storage.get(storage_family(medium))
    own = 0 if storage is None else storage.capacity_bytes
    least = 1 << max(0, (-(-table_bits // 8) - 1).bit_length())
    return max(own, least)


def _ports(
    chip: AcceleratorSpec, technology: Technology, medium: str, capacity: int, case: PowerOnCase
) -> tuple[PortRow, ...]:
    entry = technology.interval(f"{medium}.read_energy_pj_per_bit")
    rows = []
    for port_bits in PORT_BITS:
        for energy in (entry.low, entry.value, entry.high):
            path = non_volatile_path(
                chip, technology, medium, capacity, case, port_bits, Interval.exact(energy)
            )
            read = path.terms[-1]
            rows.append(PortRow(port_bits, energy, read.time_s.value, read.energy_j.value))
    return tuple(rows)


def _row_json(row: PowerOnRow) -> Mapping[str, Any]:
    return {
        "case": row.case, "start": row.start,
        "time_ratio": row.time_ratio.to_json(), "energy_ratio": row.energy_ratio.to_json(),
        "paths": [_path_json(path) for path in (row.non_volatile, row.dram)],
    }  # fmt: skip


def _path_json(path: PowerOnPath) -> Mapping[str, Any]:
    terms: Sequence[Mapping[str, Any]] = [
        {"name": t.name, "time_s": t.time_s.to_json(), "energy_j": t.energy_j.to_json()}
        for t in path.terms
    ]
    return {
        "name": path.name, "time_s": path.time_s.to_json(), "energy_j": path.energy_j.to_json(),
        "terms": terms,
    }  # fmt: skip
