"""The study of the test chip as text: the fit, where the cycles go, and its rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgesim.report import time_parts_text
from edgesim.validation.bench import Bench
from edgesim.validation.comparison import Comparison, all_figures, compare_figures
from edgesim.validation.silicon import (
    CHIP,
    CONVENTIONAL_J,
    CONVENTIONAL_S,
    conventional,
    fit,
    utilisation_percent,
)
from edgesim.validation.text import comparison_text

GROUPS = ("silicon, energy per operation and clock", "silicon, inference")


def silicon_text(bench: Bench) -> str:
    """The fit made anew, the parts of the conventional inference, and all rows of the silicon."""
    chip, found = bench.chip(CHIP), fit(bench)
    assert chip.silicon is not None
    entries = (chip.silicon.copy_cycles_entry, chip.silicon.busy_power_entry)
    values = (found.copy_cycles_per_word, found.busy_power_mw)
    lines = [
        f"fitted to the conventional inference alone ({1e3 * CONVENTIONAL_S:.0f} ms, "
        f"{1e3 * CONVENTIONAL_J:.0f} mJ)"
    ]
    for name, value in zip(entries, values, strict=True):
        entry = bench.technology.entry(name)
        lines.append(f"  {name}: {value:.2f} {entry.unit}; the table holds {entry.value:g}")
    used, whole = utilisation_percent(bench).value or 0.0, conventional(bench)
    waits = (
        f"conventional inference\nMAC utilisation {used:.2f} %: all multipliers at work would take "
        f"{10 * used * whole.latency_s.value:.0f} of {1e3 * whole.latency_s.value:.0f} ms"
    )
    blocks = ["\n".join(lines), f"{waits}\n{time_parts_text(whole)}", comparison_text(_rows(bench))]
    return "\n\n".join(blocks)


def silicon_figures(bench: Bench) -> dict[str, Any]:
    """The same as JSON values."""
    return {"fit": asdict(fit(bench)), "time_parts_s": dict(conventional(bench).time_parts_s),
            **_rows(bench).to_json()}  # fmt: skip


def _rows(bench: Bench) -> Comparison:
    return compare_figures(bench, [f for f in all_figures() if f.group in GROUPS])
