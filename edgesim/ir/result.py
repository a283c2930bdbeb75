"""SimResult: what a run reports, with what it rests on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.errors import InputError
from edgesim.files import json_text, json_values, read_bounded_text, with_number
from edgesim.ir.declared import kind_of_json, read_fields, shown_faults
from edgesim.ir.figures import DERIVED, LATE, MEDIAN, RunFigures
from edgesim.ir.interval import Interval
from edgesim.statistics import nearest_rank
from edgesim.whole_file import whole_file

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
MOST_KIB = 64 * 1024
"""Of a result file; 100,000 sentences take half of it."""


@dataclass(frozen=True)
class SentenceRow:
    """One simulated sentence."""

    num_tokens: int
    exit_layer: int | None
    """1-based; None where the model has no off-ramps."""
    latency_s: float
    energy_j: float | None
    """None, as the parts below, where energy was not measured."""
    chip_energy_j: float | None
    offchip_energy_j: float | None
    host_energy_j: float | None
    prediction: int | None
    label: int | None
    planned_layer: int | None = None
    """Latest exit that the voltage was planned for; None, as the rows below, without a target."""
    operating_point: str | None = None
    """What ran behind layer 1; None also for a sentence that left there."""
    latency_target_s: float | None = None
    met_target: bool | None = None


@dataclass(frozen=True)
class BreakdownRow:
    """Mean energy and time per sentence of one unit, op kind or layer."""

    group: str
    """`unit`, `kind` or `layer`."""
    name: str
    energy_j: Interval | None
    """Dynamic and static energy that belongs to this row; rows of one group sum to energy_j. None
    where energy was not measured."""
    latency_s: float
    """Time: of a unit, busy time (units overlap); of a kind or layer, its share of the latency."""
    account: str = ""
    """`chip`, `offchip` or `host` in the group `unit`; empty elsewhere."""


@dataclass(frozen=True)
class LayerBottleneck:
    """What limits one layer, in words."""

    layer: str
    limit: str
    """Such as `compute (PU busy 91 %)` or `encoder weights from lpddr4 (DMA exposed 38 %)`."""
    latency_s: float
    pu_busy_fraction: float
    sfu_busy_fraction: float
    dma_busy_fraction: float
    exposed_dma_fraction: float


@dataclass(frozen=True)
class RooflinePoint:
    """One op kind of the mean sentence, against the chip's roofline."""

    name: str
    macs: float
    traffic_bytes: float
    latency_s: float


@dataclass(frozen=True)
class PointUse:
    """One operating point of a run with a latency target."""

    voltage_v: float
    frequency_hz: float
    sentence_fraction: float
    """Sentences that ran at it behind layer 1."""
    time_fraction: float
    """Share of the summed latency spent at it."""
    energy_fraction: float
    """Share of the summed energy."""


@dataclass(frozen=True)
class VoltageUse:
    """What following a latency target did; fractions are of all sentences."""

    latency_target_s: float
    """Mean over sentences; they differ only where the target is a fraction."""
    lowest_fraction: float
    """Behind layer 1 at the lowest voltage."""
    between_fraction: float
    full_speed_fraction: float
    """Behind layer 1 at full speed."""
    first_layer_fraction: float
    """Left after layer 1, ahead of any choice."""
    missed_fraction: float
    """Ended after their target; counted in one of the four above as well."""
    average_planned_layer: float
    unsure_fraction: float
    """Left at the forecast layer with an entropy still at or above the threshold."""
    changes_per_sentence: float
    change_time_s: float
    """Mean per sentence, part of its latency."""
    points: tuple[PointUse, ...]
    """Slowest first."""


@dataclass(frozen=True)
class SourceUse:
    """A technology entry that a result used."""

    entry: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    kind: str
    source: str


@dataclass(frozen=True)
class SimResult:
    """Means are over sentences; intervals follow the ranges of the technology entries."""

    chip: str
    model: str
    chip_kind: str
    settings: Mapping[str, Any]
    """What the run was asked for, as JSON values; every key may be missing.

    Reports read `exit_threshold` (nats, null is exit off), `pad_to` (tokens, null is own count),
    `arithmetic` (of activations), `precision` and `weights` (`dense` or `compressed`).
    """
    num_sentences: int
    accuracy: float | None
    accuracy_low: float | None
    """95 % Wilson interval."""
    accuracy_high: float | None
    average_exit_layer: float | None
    num_layers: int
    latency_s: Interval
    energy_j: Interval | None
    """None, as its parts, where time was measured and energy was not: on the machine at hand."""
    chip_energy_j: Interval | None
    offchip_energy_j: Interval | None
    host_energy_j: Interval | None
    ideal_latency_s: float | None
    """Mean roofline bound: no sentence can be faster on this chip; None without a roofline."""
    area_mm2: Interval | None
    """None where nothing of the area is modelled, as for a GPU."""
    area_parts_mm2: Mapping[str, Interval]
    sentences: tuple[SentenceRow, ...]
    breakdown: tuple[BreakdownRow, ...]
    bottlenecks: tuple[LayerBottleneck, ...]
    roofline: tuple[RooflinePoint, ...]
    peak_macs_per_s: float | None
    memory_bytes_per_s: float | None
    spilled_bytes: float
    """Bytes of weights, embeddings and activations that rest behind their first medium."""
    traffic_over_compulsory: float | None
    """Storage traffic as a multiple of the compulsory traffic; None where none was counted."""
    schedule_range_s: Mapping[str, float]
    """Mean latency under every schedule of the special function unit; empty for a GPU."""
    operating_points: tuple[str, ...]
    sources: tuple[SourceUse, ...]
    assumed: tuple[str, ...]
    fitted: tuple[str, ...]
    not_modelled: tuple[str, ...]
    inputs: Mapping[str, str]
    """Content hashes of trace, chip, workload and technology tables."""
    notes: tuple[str, ...] = ()
    """What the mapper did that a reader should know, such as spills."""
    time_parts_s: Mapping[str, float] = field(default_factory=dict)
    """Mean time of each part of the work where nothing overlaps; empty where units overlap."""
    voltage: VoltageUse | None = None
    """Operating points that a latency target led to; None without a target."""
    schema_version: int = SCHEMA_VERSION

    @property
    def figures(self) -> RunFigures:
        """The totals of the run, as a sweep stores them."""
        derived = {
            f"{short}_p{round(100 * share)}_{unit}": self.percentile(f"{short}_{unit}", share)
            for short, unit in (("latency", "s"), ("energy", "j"))
            for share in (MEDIAN, LATE)
        }
        names = {entry.name for entry in fields(RunFigures)} - set(DERIVED)
        return RunFigures(
            **{name: getattr(self, name) for name in names},
            **derived, missed_fraction=self.missed_fraction,  # type: ignore[arg-type]
        )  # fmt: skip

    @property
    def missed_fraction(self) -> float | None:
        """Share of sentences that ended after the latency target; None without one."""
        return None if self.voltage is None else self.voltage.missed_fraction

    @property
    def energy_delay_js(self) -> Interval | None:
        """Energy-delay product of the mean sentence, joule seconds; None without energy."""
        return self.figures.energy_delay_js

    def percentile(self, column: str, share: float) -> float | None:
        """Percentile of a per-sentence column by the nearest rank; None if it was not measured."""
        column_values = [getattr(row, column) for row in self.sentences]
        if any(value is None for value in column_values):
            return None
        return nearest_rank(column_values, share)

    def to_frame(self) -> pd.DataFrame:
        """One row per sentence."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.sentences])

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values; energies and latencies are plain nominal means.

        Keys that outside scripts rely on stand at the top level; the intervals stand under
        `intervals`. An infinite exit threshold is the text `inf`.
        """
        record = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if not isinstance(getattr(self, entry.name), Interval)
        }
        record["intervals"] = {
            entry.name: getattr(self, entry.name).to_json()
            for entry in fields(self)
            if isinstance(getattr(self, entry.name), Interval)
        }
        for name, interval in record["intervals"].items():
            record[name] = interval["value"]
        figures = self.figures.to_json()
        record |= {name: figures[name] for name in (*DERIVED, "energy_delay_js")}
        return {key: json_values(_plain(value)) for key, value in record.items()}

    def save(self, path: Path) -> None:
        """Write the JSON of `to_json`; the file appears whole or not at all."""
        with whole_file(Path(path)) as partial:
            partial.write_text(json_text(self.to_json(), indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> SimResult:
        """Read what `save` wrote, value for value.

        Raises InputError, in one line, for a file that is missing, no JSON, of another schema, or
        whose fields are missing or of another type; all such fields are named.
        """
        text = read_bounded_text(Path(path), "a result that `save` wrote is wanted", MOST_KIB)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}: not JSON, perhaps truncated ({error}); write the result anew"
            ) from None
        return cls.from_json(record, str(path))

    @classmethod
    def from_json(cls, record: object, where: str = "result") -> SimResult:
        """The result that `to_json` turned into `record`; `where` opens error messages.

        Derived keys, such as percentiles, are not read: they follow from the sentences.
        """
        if not isinstance(record, Mapping):
            given = kind_of_json(record)
            raise InputError(f"{where}: holds {given}; the JSON object of a result is wanted")
        version = record.get("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{where}: result schema {version!r}, this edgesim reads {SCHEMA_VERSION}; "
                "write the result anew"
            )
        intervals = record.get("intervals")
        merged = {**record, **(intervals if isinstance(intervals, Mapping) else {})}
        faults: list[str] = []
        values = read_fields(cls, merged, "", faults)
        if not faults and not values["sentences"]:
            faults.append("sentences: empty; at least one sentence is wanted")
        if faults:
            raise InputError(f"{where}: {shown_faults(faults)}; write the result anew")
        settings = with_number(values["settings"], "exit_threshold")
        return cls(**{**values, "settings": settings})


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    return value
