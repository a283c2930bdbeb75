"""`make bench-peers`: ZigZag and SCALE-Sim beside edgesim on one BERT-base layer, 256 MACs.

The peers are installed into virtual environments of their own under `build/bench-peers`; PIP_ARGS
is passed to their pip. What cannot be installed or is stopped at its limit is said, not guessed.
Needs `tests` and `tests/benchmarks/peers` on PYTHONPATH, as `make bench-peers` sets it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layer import ARRAY, IDEAL_CYCLES, LAYER_MACS, PRODUCTS
from machine import Usage, machine_text, measured, table_text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench-peers"
INSTALL_LIMIT_S = 600.0
COUNT = {product.name: product.count for product in PRODUCTS}
NUM_PRODUCTS = sum(COUNT.values())
ZIGZAG = ("zigzag-dse==3.9.1", "six")
"""It imports six without declaring it."""
SCALESIM = ("scalesim==3.0.0", "numpy<2.4")
"""It crashes at the end of its first layer with numpy 2.4."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    tool: str
    wall_s: str
    cpu_s: str
    rss_mb: str
    cycles: str
    included: str

    def cells(self) -> tuple[str, ...]:
        """The line as text; cycles with their distance from the ideal."""
        return self.tool, self.wall_s, self.cpu_s, self.rss_mb, self.cycles, self.included


def process_row(tool: str, usage: Usage, cycles: int | None, included: str) -> Row:
    """A whole process."""
    return Row(
        tool, f"{usage.wall_s:.2f}", f"{usage.cpu_s:.2f}", f"{usage.peak_rss_mb:.0f}",
        cycles_text(cycles), included,
    )  # fmt: skip


def part_row(tool: str, seconds: float, cycles: int | None, included: str) -> Row:
    """A part of the process above it."""
    return Row(tool, f"{seconds:.3g}", "-", "-", cycles_text(cycles), included)


def cycles_text(cycles: int | None) -> str:
    """Cycles of the layer's products, and how far above one full array they are."""
    if cycles is None:
        return "-"
    return f"{cycles:,} ({cycles / IDEAL_CYCLES - 1:+.2%})"


def installed(name: str, *packages: str) -> Path | None:
    """Python of an environment that holds the packages; None, with the reason printed."""
    folder = BUILD / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = folder / "installed.txt"
    if wanted.is_file() and wanted.read_text() == " ".join(packages):
        return python
    print(f"installing {' '.join(packages)} into {folder.relative_to(ROOT)}", flush=True)
    options = os.environ.get("PIP_ARGS", "").split()
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *options, *packages],
    )
    for step in steps:
        try:
            done = subprocess.run(
                step, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            print(f"{name}: not run: installing took more than {INSTALL_LIMIT_S:g} s")
            return None
        if done.returncode != 0:
            last = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["no message"]
            print(f"{name}: not run: {' '.join(packages)} cannot be installed here: {last[-1]}")
            return None
    wanted.write_text(" ".join(packages))
    return python


def driven(name: str, python: Path, limit_s: float, *arguments: str) -> tuple[Usage, Any]:
    """What a driver took, and the JSON line it printed; None if it failed or was stopped."""
    folder = BUILD / "runs" / "-".join((name, *arguments))
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(python), str(HERE / "peers" / f"drive_{name}.py"), *arguments]
    paths = [str(HERE / "peers"), *([str(HERE.parent)] if name == "edgesim" else [])]
    settings = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    usage = measured(command, folder, limit_s, settings)
    if usage.returncode == 0:
        return usage, json.loads(usage.output.splitlines()[-1])
    if usage.returncode is None:
        print(f"{name} {' '.join(arguments)}: stopped at its limit of {limit_s:g} s")
    else:
        last = (usage.errors.strip() or "no message").splitlines()[-1]
        print(f"{name} {' '.join(arguments)}: failed with {usage.returncode}: {last}")
    return usage, None


# tools -------------------------------------------------------------------------------------------


def edgesim_rows(limit_s: float) -> tuple[list[Row], str]:
    """edgesim on `edgebert-n16`: all 30 products played, not the distinct ones multiplied."""
    driven("edgesim", Path(sys.executable), limit_s)
    usage, found = driven("edgesim", Path(sys.executable), limit_s)
    if found is None:
        raise SystemExit("edgesim itself failed; see the line above")
    if found["macs"] != LAYER_MACS:
        raise SystemExit(f"edgesim played {found['macs']} MAC, the layer has {LAYER_MACS}")
    alone = sum(COUNT[name] * cycles for name, cycles in found["alone"]["cycles"].items())
    products, layer = found["products"], found["layer"]
    rows = [
        process_row("edgesim", usage, None, "whole process: start, masks, mapping, all rows below"),
        part_row("  evaluation, operands on chip", found["alone"]["again_s"], alone,
                 "5 distinct products, fixed mapping, array alone"),
        part_row("  evaluation, with memory and host", products["again_s"], products["cycles"],
                 "30 products, fixed mapping, weights stream from LPDDR4, host commands"),
        part_row("  evaluation, the whole layer", layer["again_s"], layer["cycles"],
                 "also softmax, layer norm, add, relayout; GELU behind the array"),
    ]  # fmt: skip
    words = (
        f"edgesim with operands on chip: {alone - IDEAL_CYCLES:,} cycles above the ideal, "
        f"{(alone - IDEAL_CYCLES) / NUM_PRODUCTS:.0f} per product: filling and draining the array. "
        "With memory and host the array "
        f"is busy {products['busy']:,} cycles; it waits {products['waiting']:,} for LPDDR4 "
        f"({products['weight_bits'] / 8e6:.2f} MB of weights and masks, "
        f"{products['spill_bits'] / 8e6:.2f} MB of activations that the buffers do not hold) "
        f"and {products['host']:,} for host commands. The rest of the layer adds "
        f"{layer['cycles'] - products['cycles']:,}."
    )
    return rows, words


def zigzag_rows(limit_s: float) -> tuple[list[Row], str]:
    """ZigZag: search over the distinct products, then its cost model on the mappings found."""
    python = installed("zigzag", *ZIGZAG)
    if python is None:
        return [], "ZigZag: not compared."
    usage, found = driven("zigzag", python, limit_s)
    if found is None:
        return [process_row("ZigZag 3.9.1", usage, None, "failed or stopped")], "ZigZag: no figure."
    rows = found["products"]
    total = {
        part: round(sum(COUNT[name] * row[part] for name, row in rows.items()))
        for part in ("cycles", "ideal", "load", "store")
    }
    evaluation = sum(row["evaluation_s"] for row in rows.values())
    stall = total["cycles"] - total["ideal"] - total["load"] - total["store"]
    lines = [
        process_row("ZigZag 3.9.1", usage, None, "whole process: start and all rows below"),
        part_row("  mapping search (LOMA)", found["search_s"], total["cycles"],
                 "5 distinct products, multiplied by count; search included"),
        part_row("  evaluation", evaluation, total["cycles"],
                 "5 distinct products, fixed mapping (the one found), multiplied by count"),
    ]  # fmt: skip
    words = (
        f"ZigZag: {total['cycles'] - total['ideal']:,} cycles above the ideal: "
        f"{total['load']:,} to bring the first data of each product and {total['store']:,} to take "
        f"its last away, without overlap between products, and {stall:,} stalls inside them. "
        "Filling and draining the array and host commands are not in this description of the chip."
    )
    return lines, words


def scalesim_rows(budget_s: float) -> tuple[list[Row], str]:
    """SCALE-Sim, product by product from the smallest, while the budget lasts.

    A product that would not end in time, by the speed of the one before, is not started.
    """
    python = installed("scalesim", *SCALESIM)
    if python is None:
        return [], "SCALE-Sim: not compared."
    lines: list[Row] = []
    cycles: dict[str, int] = {}
    left, seconds_per_mac = budget_s, 0.0
    for product in sorted(PRODUCTS, key=lambda p: p.macs):
        name = f"  {product.name} {product.rows}x{product.columns}x{product.reduction}"
        expected = seconds_per_mac * product.macs
        if expected > left:
            reason = f"not run: about {expected:.0f} s expected, {left:.0f} s of the budget left"
            lines.append(Row(name, "-", "-", "-", "-", reason))
            continue
        usage, found = driven("scalesim", python, left, product.name)
        left -= usage.wall_s
        included = f"one of {product.count} such products, weight stationary, no bandwidth limit"
        shown = "-"
        if found is not None:
            seconds_per_mac = usage.wall_s / product.macs
            cycles[product.name] = int(found["Total Cycles"])
            shown = f"{cycles[product.name]:,} each"
        elif usage.returncode is None:
            included = f"stopped after {usage.wall_s:.0f} s"
        else:
            included = "failed"
        lines.append(replace(process_row(name, usage, None, included), cycles=shown))
    return _scalesim_total(cycles, lines)


def _scalesim_total(cycles: dict[str, int], lines: list[Row]) -> tuple[list[Row], str]:
    """The layer's total: measured where it ran, else by the closed form that the runs confirm."""
    form = {p.name: _weight_stationary_cycles(p.rows, p.columns, p.reduction) for p in PRODUCTS}
    wrong = [name for name, value in cycles.items() if value != form[name]]
    if not cycles or wrong:
        reason = "none ran" if not cycles else f"closed form fails for {', '.join(wrong)}"
        return lines, f"SCALE-Sim: no total: {reason}."
    total = sum(COUNT[name] * value for name, value in form.items())
    rest = [name for name in form if name not in cycles]
    how = "all measured" if not rest else f"{', '.join(rest)} by the closed form of the others"
    folds = sum(p.count * _folds(p.columns, p.reduction) for p in PRODUCTS)
    lines.insert(0, Row("SCALE-Sim 3.0.0", "-", "-", "-", cycles_text(total), f"layer: {how}"))
    refill = 3 * ARRAY - 2
    words = (
        f"SCALE-Sim: {total - IDEAL_CYCLES:,} cycles above the ideal: a systolic array that loads "
        f"each of {folds:,} weight tiles ({ARRAY} cycles) and fills and drains around its rows, "
        f"{refill} cycles a tile that overlap nothing. The measured products follow "
        f"(2R + C + rows - 2) x tiles - 1 to the cycle ({', '.join(cycles)}). edgesim's array "
        "fetches the next tile while it multiplies, so that it pays this once per product."
    )
    return lines, words


def _folds(columns: int, reduction: int) -> int:
    return -(-columns // ARRAY) * -(-reduction // ARRAY)


def _weight_stationary_cycles(rows: int, columns: int, reduction: int) -> int:
    """Cycles of a weight-stationary systolic array: load, skewed rows, drain, tile after tile."""
    return (3 * ARRAY + rows - 2) * _folds(columns, reduction) - 1


def main() -> None:
    """Print the table and what explains it; exit status 0 also where a peer is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--limit", type=float, default=120, help="seconds of edgesim, and of ZigZag"
    )
    parser.add_argument(
        "--scalesim-budget", type=float, default=480, help="seconds, all of its products"
    )
    chosen = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    print(machine_text("edgesim", "numpy", "numba", "simpy"))
    print(
        f"work: {NUM_PRODUCTS} products of one BERT-base layer, S=128: "
        f"{LAYER_MACS / 1e6:.1f} MMAC, {ARRAY} x {ARRAY} MACs, dense, 8 bits; "
        f"ideal {IDEAL_CYCLES:,} cycles\n"
    )
    parts = [
        edgesim_rows(chosen.limit), zigzag_rows(chosen.limit),
        scalesim_rows(chosen.scalesim_budget),
    ]  # fmt: skip
    header = ("tool", "wall s", "CPU s", "peak MB", "cycles (above ideal)", "included")
    print(table_text(header, [row.cells() for rows, _ in parts for row in rows]))
    print()
    for _, words in parts:
        print(words)


if __name__ == "__main__":
    main()
