"""Several results side by side, with ratios to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgesim.errors import InputError
from edgesim.ir.interval import Interval
from edgesim.ir.labels import absent_text, distinct_labels, exit_text, padding_text, settings_text
from edgesim.ir.quantity import (
    digits_text,
    interval_text,
    percent_text,
    quantity_text,
)
from edgesim.ir.result import SimResult
from edgesim.report.ratios import (
    RATIO_QUANTITIES,
    AccuracyDifference,
    RatioLine,
    accuracy_differences,
    ratio_lines,
)
from edgesim.report.table import text_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS_PER_TABLE = 3
INTERVAL_COLUMNS = (
    "latency_s", "energy_j", "chip_energy_j", "offchip_energy_j", "host_energy_j",
    "energy_delay_js", "area_mm2",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Results side by side; ratios divide by the baseline, so below 1 is less than it."""

    results: tuple[SimResult, ...]
    labels: tuple[str, ...]
    """Distinct names: the chip and the settings in which the results differ."""
    baseline: int
    """Index into `results`."""
    ratios: tuple[RatioLine, ...]
    accuracy_differences: tuple[AccuracyDifference, ...]
    caveats: tuple[str, ...]
    """What a reader must know before comparing, such as different sentences."""

    def to_frame(self) -> pd.DataFrame:
        """One row per result; intervals as value, `…_low_…` and `…_high_…`, ratios to baseline."""
        import pandas as pd

        return pd.DataFrame([self._record(i) for i in range(len(self.results))])

    def to_text(self) -> str:
        """Tables with a column per result, the ratios, and the caveats, for a terminal."""
        tables = []
        for first in range(0, len(self.results), COLUMNS_PER_TABLE):
            results = self.results[first : first + COLUMNS_PER_TABLE]
            header, rows = comparison_rows(results)
            tables.append(text_table(header, rows))
        notes = "\n".join(f"note: {line}" for line in self.caveats)
        blocks = [*tables, "\n".join(self.lines()), notes]
        return "\n\n".join(block for block in blocks if block)

    def __str__(self) -> str:
        return self.to_text()

    def lines(self) -> tuple[str, ...]:
        """Ratios and accuracy differences in words, one per line."""
        ratios = tuple(line.text for line in self.ratios)
        return (*ratios, *(line.text for line in self.accuracy_differences))

    def to_json(self) -> dict[str, Any]:
        """Labels, baseline, ratios, accuracy differences and caveats as JSON values."""
        return {
            "labels": list(self.labels),
            "baseline": self.labels[self.baseline],
            "ratios": [
                {"quantity": line.quantity, "result": line.result, "baseline": line.baseline,
                 "ratio": None if line.ratio is None else line.ratio.to_json()}
                for line in self.ratios
            ],
            "accuracy_differences": [
                {"result": line.result, "baseline": line.baseline,
                 "difference": line.difference.to_json(), "num_sentences": line.num_sentences}
                for line in self.accuracy_differences
            ],
            "caveats": list(self.caveats),
        }  # fmt: skip

    def _record(self, index: int) -> dict[str, Any]:
        result = self.results[index]
        record: dict[str, Any] = {
            "label": self.labels[index], "chip": result.chip, "model": result.model,
            "settings": settings_text(result), "num_sentences": result.num_sentences,
            "latency_p50_s": result.percentile("latency_s", 0.50),
            "latency_p95_s": result.percentile("latency_s", 0.95),
            "ideal_latency_s": result.ideal_latency_s,
            "average_exit_layer": result.average_exit_layer, "num_layers": result.num_layers,
            "accuracy": result.accuracy, "accuracy_low": result.accuracy_low,
            "accuracy_high": result.accuracy_high, "spilled_bytes": result.spilled_bytes,
            "baseline": self.labels[self.baseline],
        }  # fmt: skip
        for name in INTERVAL_COLUMNS:
            _put(record, name, getattr(result, name))
        mine = {line.quantity: line.ratio for line in self.ratios if line.result == record["label"]}
        for quantity, _ in RATIO_QUANTITIES:
            ratio = _one(result, quantity) if index == self.baseline else mine[quantity]
            _put(record, quantity.replace(" ", "_").replace("-", "_") + "_ratio", ratio)
        return record


def _one(result: SimResult, quantity: str) -> Interval | None:
    """The baseline's ratio to itself; None for what it lacks."""
    return None if dict(RATIO_QUANTITIES)[quantity](result) is None else Interval.exact(1.0)


def compare(results: Sequence[SimResult], baseline: int = 0) -> Comparison:
    """The results side by side, with ratios to `results[baseline]`.

    Ranges of two chips are taken as independent, so ratios of chips that share technology entries
    are wider than they need be; runs of one chip take the same end on both sides. Raises
    InputError without results or for a baseline out of range.
    """
    results = tuple(results)
    if not results:
        raise InputError("compare: got no results; give at least one")
    if not 0 <= baseline < len(results):
        raise InputError(
            f"compare: baseline {baseline} of {len(results)} results; allowed 0 to "
            f"{len(results) - 1}"
        )
    labels = distinct_labels(results)
    return Comparison(
        results=results, labels=labels, baseline=baseline,
        ratios=ratio_lines(results, labels, baseline),
        accuracy_differences=accuracy_differences(results, labels, baseline),
        caveats=_caveats(results, labels),
    )  # fmt: skip


def comparison_rows(results: Sequence[SimResult]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the comparison table: a row per quantity, a column per result."""
    header = ["", *(result.chip for result in results)]
    columns = [_column(result) for result in results]
    return header, [[name, *(column[name] for column in columns)] for name in columns[0]]


def accuracy_text(result: SimResult) -> str:
    """Accuracy with n and its 95 % interval, such as "89.4 % [87.2, 91.3], n = 872"."""
    if result.accuracy is None:
        return "no labels"
    text = percent_text(result.accuracy)
    if result.accuracy_low is not None and result.accuracy_high is not None:
        ends = (digits_text(100 * end) for end in (result.accuracy_low, result.accuracy_high))
        text += f" [{', '.join(ends)}]"
    labelled = sum(row.label is not None for row in result.sentences)
    return f"{text}, n = {labelled}"


def _column(result: SimResult) -> dict[str, str]:
    settings, absent = result.settings, absent_text(result)
    exits = "n/a" if result.average_exit_layer is None else digits_text(result.average_exit_layer)
    return {
        "model": result.model,
        "precision": str(settings.get("precision") or "chip's own formats"),
        "length, activations": f"{padding_text(result)}, {settings.get('arithmetic') or 'n/a'}",
        "early exit": exit_text(result),
        "sentences": str(result.num_sentences),
        "latency, mean": interval_text(result.latency_s, "s"),
        "latency, p50 / p95": " / ".join(
            quantity_text(result.percentile("latency_s", share), "s") for share in (0.50, 0.95)
        ),
        "roofline bound, mean": quantity_text(result.ideal_latency_s, "s", absent="n/a"),
        "energy, mean": interval_text(result.energy_j, "J", absent=absent),
        "  chip": _part_text(result.chip_energy_j, result.energy_j, absent),
        "  off-chip memory": _part_text(result.offchip_energy_j, result.energy_j, absent),
        "  host": _part_text(result.host_energy_j, result.energy_j, absent),
        "energy-delay product": interval_text(result.energy_delay_js, "J·s", absent=absent),
        "average exit layer": f"{exits} of {result.num_layers}",
        "accuracy (95 % interval)": accuracy_text(result),
        "area": interval_text(result.area_mm2, "mm²", absent=absent),
    }


def _part_text(part: Interval | None, whole: Interval | None, absent: str) -> str:
    if part is None or whole is None or whole.value <= 0 or part.value <= 0:
        return interval_text(part, "J", absent=absent)
    percent = 100 * part.value / whole.value
    return f"{interval_text(part, 'J')} ({f'{percent:.0f}' if percent >= 0.5 else '<1'} %)"


def _put(record: dict[str, Any], name: str, interval: Interval | None) -> None:
    """Set value, low and high; the ends go before the unit, as in `latency_low_s`."""
    stem, unit = name.rsplit("_", 1)
    ends = (None, None, None) if interval is None else (interval.value, interval.low, interval.high)
    record[name], record[f"{stem}_low_{unit}"], record[f"{stem}_high_{unit}"] = ends


def _caveats(results: Sequence[SimResult], labels: Sequence[str]) -> tuple[str, ...]:
    lines = []
    for words, values in (
        ("models", [result.model for result in results]),
        ("numbers of sentences", [str(result.num_sentences) for result in results]),
        ("workloads", [result.inputs.get("workload", "none")[:12] for result in results]),
        ("paddings", [str(result.settings.get("pad_to") or "none") for result in results]),
    ):
        if len(set(values)) > 1:
            said = "; ".join(
                f"{label}: {value}" for label, value in zip(labels, values, strict=True)
            )
            lines.append(f"{words} differ, so the figures are not of the same work ({said})")
    kinds = {result.chip_kind for result in results}
    if "host-cpu" in kinds:
        lines.append(
            "latency of a host-cpu is measured on the machine at hand, that of other chips is "
            "simulated; energy of a host-cpu is not measured"
        )
    if len(kinds - {"host-cpu"}) > 1:
        lines.append(
            "chip energy of a GPU is that of its processor rails, without DRAM; chip energy of an "
            "accelerator is everything on the die"
        )
    if len(results) > 1:
        lines.append(
            "ranges of two chips are taken as independent, the widest ratio that the sources "
            "allow; two runs of one chip share their sources, so low is divided by low and high "
            "by high"
        )
    return tuple(lines)
