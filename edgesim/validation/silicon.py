"""The 12 nm test chip: what is fitted to its conventional inference, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from edgesim.energy.static import measured_power
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.exits import ForecastExit
from edgesim.ir.interval import Interval
from edgesim.ir.ops import PRODUCTS
from edgesim.ir.result import SimResult
from edgesim.sim.operating_points import operating_points
from edgesim.tech import Technology
from edgesim.validation.bench import Bench
from edgesim.validation.entropies import NEEDS_FORECASTS, NUM_LAYERS
from edgesim.validation.verdict import Simulated

CHIP = "edgebert-isscc23"
CONVENTIONAL_S, CONVENTIONAL_J = 4.184, 0.464
"""The one row that is fitted to: latency and energy of the conventional inference."""
HEADS_LEFT = 5
"""Of 12: seven learned spans are zero on SST-2 (recalled)."""
FP4_SHARE = 0.5
"""Of the words and the array's cycles of a product with both operands in FP4 (16 x 32)."""
TARGET_S = 2.0
FORECAST_LAYERS = 4.912
"""Mean forecast of the released predictor at 0.16 on the released entropies."""
FORECAST_THRESHOLD = 0.16
"""At which the released predictor gives the chip's average exit."""


@dataclass(frozen=True)
class SiliconFit:
    """Both fitted figures."""

    copy_cycles_per_word: float
    busy_power_mw: float


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of the embedding, and of one layer with its off-ramp."""

    embedding_s: float
    layer_s: float

    def at_exit(self, layers: float) -> float:
        """Mean latency of sentences that leave after so many layers on average.

        Every layer takes the same time, so the mean exit is all that matters.
        """
        return self.embedding_s + layers * self.layer_s


def conventional(bench: Bench) -> SimResult:
    """Full depth, dense, 128 tokens."""
    return bench.result(bench.chip(CHIP), bench.albert())


def fit(bench: Bench) -> SiliconFit:
    """Copy cycles and power that meet the conventional row, found from two simulations.

    Latency is linear in the copy cycles up to rounding per transfer.
    """
    chip = bench.chip(CHIP)
    assert chip.silicon is not None
    latency = {}
    for cycles in (16.0, 64.0):
        entry = bench.technology.entry(chip.silicon.copy_cycles_entry)
        changed = replace(entry, value=cycles, low=cycles, high=cycles)
        trial = Bench(technology=bench.technology.replaced(changed))
        latency[cycles] = conventional(trial).latency_s.value
    slope = (latency[64.0] - latency[16.0]) / 48
    return SiliconFit(
        16 + (CONVENTIONAL_S - latency[16.0]) / slope, 1e3 * CONVENTIONAL_J / CONVENTIONAL_S
    )


def layer_times(bench: Bench, heads: int, fp4: bool = False) -> LayerTimes:
    """Times of a model with so many heads; with `fp4` every product moves and computes half."""
    result = bench.result(bench.chip(CHIP), bench.albert(heads=heads))
    rows = {row.name: row.latency_s for row in result.breakdown if row.group == "layer"}
    embedding, last = rows["embedding"], f"off-ramp {NUM_LAYERS}"
    layer_s = rows["layer 1"] + rows[last]
    if fp4:
        products = sum(
            row.latency_s for row in result.breakdown
            if row.group == "kind" and row.name in PRODUCTS
        )  # fmt: skip
        layer_s -= (1 - FP4_SHARE) * products / NUM_LAYERS
    return LayerTimes(embedding, layer_s)


def silicon_latency_ms(
    bench: Bench, exit_layers: float, heads: int = NUM_LAYERS, fp4: bool = False
) -> Simulated:
    """Mean latency at an average exit; with `fp4` between none and all products in FP4."""
    slow = layer_times(bench, heads).at_exit(exit_layers)
    if not fp4:
        return Simulated(1e3 * slow)
    fast = layer_times(bench, heads, fp4=True).at_exit(exit_layers)
    middle = 0.5 * (slow + fast)
    return Simulated(1e3 * middle, 1e3 * fast, 1e3 * slow, "middle of none and all products in FP4")


def conventional_latency_ms(bench: Bench) -> Simulated:
    """Latency of the row that the copies are fitted to."""
    return Simulated(1e3 * conventional(bench).latency_s.value)


def conventional_energy_mj(bench: Bench) -> Simulated:
    """Chip energy of the row that the power is fitted to."""
    energy = conventional(bench).chip_energy_j
    assert energy is not None
    return Simulated(1e3 * energy.value)


def utilisation_percent(bench: Bench) -> Simulated:
    """Multiply-accumulates of the conventional inference over those of its time."""
    result, trace, chip = conventional(bench), bench.albert(), bench.chip(CHIP)
    layers = sum(trace.op_macs(op, 128) for layer in trace.layers for op in layer.ops)
    peak = chip.pu.vector_size**2 * chip.clock.frequency_hz * result.latency_s.value
    return Simulated(100 * layers / peak)


def silicon_power_mw(bench: Bench) -> Simulated:
    """Power at full speed: the fitted one, whatever runs."""
    return _power(bench.chip(CHIP), bench.technology)


def _power(chip: AcceleratorSpec, technology: Technology) -> Simulated:
    assert chip.silicon is not None
    return Simulated.of(measured_power(chip, chip.silicon, technology)[0])


@dataclass(frozen=True)
class ScaledInference:
    """The mean sentence under voltage and frequency scaling."""

    latency_s: float
    energy_j: Interval
    point: tuple[float, float]
    """Volts and hertz behind layer 1."""


def scaled_inference(bench: Bench, exit_layers: float) -> ScaledInference:
    """Layer 1 at full speed, then the slowest measured point that meets the target.

    The mean sentence stands for all: heads removed, half of what FP4 can save, its forecast from
    the released predictor. All of the time behind layer 1 follows the clock, the host's too.
    """
    bounds = [layer_times(bench, HEADS_LEFT, fp4) for fp4 in (False, True)]
    layer_s = sum(times.layer_s for times in bounds) / 2
    first_s = bounds[0].embedding_s + layer_s
    chip = bench.chip(CHIP)
    points, _ = operating_points(chip, bench.technology)
    full_hz = points[-1].frequency_hz
    needed_hz = full_hz * (FORECAST_LAYERS - 1) * layer_s / (TARGET_S - first_s)
    point = next(p for p in points if p.frequency_hz >= needed_hz)
    rest_s = (exit_layers - 1) * layer_s * full_hz / point.frequency_hz
    slow = chip.at(point.frequency_hz, point.voltage_v)
    assert chip.silicon is not None
    powers = [measured_power(c, chip.silicon, bench.technology)[0] for c in (chip, slow)]
    energy = powers[0].scaled(1e-3 * first_s) + powers[1].scaled(1e-3 * rest_s)
    return ScaledInference(first_s + rest_s, energy, (point.voltage_v, point.frequency_hz))


def scaled_latency_ms(bench: Bench, exit_layers: float) -> Simulated:
    """Mean latency with voltage scaling."""
    found = scaled_inference(bench, exit_layers)
    words = f"{found.point[0]:g} V, {found.point[1] / 1e6:g} MHz behind layer 1"
    return Simulated(1e3 * found.latency_s, note=words)


def scaled_power_mw(bench: Bench, exit_layers: float) -> Simulated:
    """Mean power with voltage scaling."""
    found = scaled_inference(bench, exit_layers)
    return Simulated.of(found.energy_j.scaled(1e3 / found.latency_s))


def scaled_runs(bench: Bench) -> list[SimResult] | None:
    """Every one of the authors' sentences under the target: products all in FP4, middle, none.

    FP4 makes what runs faster by one factor, so a run in it is a run in FP8 with a target that
    much later; `_speed_up` says by how much. None without the authors' entropies and forecasts.
    """
    workload = bench.workload
    if workload is None or workload.predictor is None:
        return None
    exits = ForecastExit(FORECAST_THRESHOLD, workload.predictor)
    chip, trace = bench.chip(CHIP), bench.albert(heads=HEADS_LEFT)
    return [
        bench.forecast_result(chip, trace, exits, TARGET_S * factor) for factor in _speed_ups(bench)
    ]


def _speed_ups(bench: Bench) -> tuple[float, float, float]:
    """A layer's time in FP8 over that with all products in FP4, half of the gain, none."""
    slow, fast = (layer_times(bench, HEADS_LEFT, fp4).layer_s for fp4 in (False, True))
    return slow / fast, 2 * slow / (slow + fast), 1.0


def scaled_run_latency_ms(bench: Bench) -> Simulated:
    """Mean latency of the authors' sentences with voltage scaling."""
    runs = scaled_runs(bench)
    if runs is None:
        return Simulated.missing(NEEDS_FORECASTS)
    found = [
        1e3 * run.latency_s.value / factor
        for run, factor in zip(runs, _speed_ups(bench), strict=True)
    ]
    points = (p for p in (runs[1].voltage.points if runs[1].voltage else ()) if p.sentence_fraction)
    words = ", ".join(f"{p.voltage_v:g} V {p.sentence_fraction:.0%}" for p in points)
    return Simulated(found[1], min(found), max(found), f"behind layer 1, of the sentences: {words}")


def scaled_run_power_mw(bench: Bench) -> Simulated:
    """Mean power of the authors' sentences with voltage scaling."""
    runs = scaled_runs(bench)
    if runs is None:
        return Simulated.missing(NEEDS_FORECASTS)
    powers = []
    for run in runs:
        assert run.chip_energy_j is not None
        powers.append(run.chip_energy_j.scaled(1e3 / run.latency_s.value))
    low, high = min(p.low for p in powers), max(p.high for p in powers)
    return Simulated(powers[1].value, low, high)


MEASURES: dict[str, Callable[..., Any]] = {
    measure.__name__: measure
    for measure in (
        silicon_latency_ms, conventional_latency_ms, conventional_energy_mj, utilisation_percent,
        silicon_power_mw, scaled_latency_ms, scaled_power_mw, scaled_run_latency_ms,
        scaled_run_power_mw,
    )
}  # fmt: skip
