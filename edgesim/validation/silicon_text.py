"""The study of the test chip as text: the fit, where the cycles go, and its rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgesim.ir.result import SimResult
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
    waits += f"\n{_why(whole, used)}"
    blocks = ["\n".join(lines), f"{waits}\n{time_parts_text(whole)}", comparison_text(_rows(bench))]
    return "\n\n".join(blocks)


def _why(whole: SimResult, used_percent: float) -> str:
    """What stands between the multipliers' time and the measured one."""
    parts, total_s = whole.time_parts_s, whole.latency_s.value
    copies, products = parts["host: copies"], parts["matmul"]
    busy = used_percent / 100 * total_s
    return (
        f"of the rest, copies between host and buffers take {copies / total_s:.0%} (fitted); the "
        f"products themselves take {products / busy:.1f} times the multipliers' time, as loading, "
        f"computing and draining a tile do not overlap; without any copy the array would be busy "
        f"{busy / (total_s - copies):.0%} of {1e3 * (total_s - copies):.0f} ms"
    )


def silicon_figures(bench: Bench) -> dict[str, Any]:
    """The same as JSON values."""
    return {"fit": asdict(fit(bench)), "time_parts_s": dict(conventional(bench).time_parts_s),
            **_rows(bench).to_json()}  # fmt: skip


def _rows(bench: Bench) -> Comparison:
    return compare_figures(bench, [f for f in all_figures() if f.group in GROUPS])
