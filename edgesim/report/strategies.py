"""Strategies side by side as one table."""

from __future__ import annotations

from collections.abc import Sequence

from edgesim.ir.quantity import digits_text, percent_text, quantity_text
from edgesim.ir.result import SimResult
from edgesim.report.table import markdown_table

HEADER = (
    "strategy", "exit", "accuracy", "avg exit", "planned", "latency", "p95", "missed", "lowest V",
    "between", "full speed", "after layer 1", "energy", "chip", "of it LDO", "chip / full depth",
)  # fmt: skip


def strategy_table(rows: Sequence[tuple[str, str, SimResult]]) -> str:
    """One line per strategy (name, exit in words, result); ratios are to the first row's chip
    energy."""
    base = rows[0][2].chip_energy_j
    lines = []
    for name, words, result in rows:
        use, chip = result.voltage, result.chip_energy_j
        shares = (None,) * 5 if use is None else (
            use.missed_fraction, use.lowest_fraction, use.between_fraction,
            use.full_speed_fraction, use.first_layer_fraction,
        )  # fmt: skip
        regulator = next(
            (row.energy_j for row in result.breakdown if row.group == "unit" and row.name == "ldo"),
            None,
        )
        cells = [percent_text(share) if share is not None else "" for share in shares]
        ratio = "" if base is None or chip is None else digits_text(chip.value / base.value)
        lines.append(
            [name, words, percent_text(result.accuracy) if result.accuracy else "n/a",
             digits_text(result.average_exit_layer or result.num_layers),
             "" if use is None else digits_text(use.average_planned_layer),
             quantity_text(result.latency_s.value, "s"),
             quantity_text(result.percentile("latency_s", 0.95), "s"), *cells,
             quantity_text(None if result.energy_j is None else result.energy_j.value, "J"),
             quantity_text(None if chip is None else chip.value, "J"),
             quantity_text(None if regulator is None else regulator.value, "J"), ratio]
        )  # fmt: skip
    return markdown_table(list(HEADER), lines)
