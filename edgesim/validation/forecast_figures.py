"""Simulations of latency-aware inference on the authors' sentences and forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edgesim.hw.loader import load_chip
from edgesim.ir.exits import ForecastExit
from edgesim.ir.quantity import percent_text
from edgesim.ir.result import SimResult
from edgesim.validation.bench import TABLE_DENSITY, Bench
from edgesim.validation.entropies import NEEDS_FORECASTS
from edgesim.validation.model_figures import ENCODER_DENSITY, TX2, gain
from edgesim.validation.verdict import Simulated

EXIT_THRESHOLD = 0.28
"""Of the latency-unbounded exit that the release sets beside a forecast threshold of 0.16."""


def _exits(bench: Bench, threshold: float) -> ForecastExit | None:
    workload = bench.workload
    if workload is None or workload.predictor is None:
        return None
    return ForecastExit(threshold, workload.predictor)


def forecast_average(bench: Bench, threshold: float, kind: str) -> Simulated:
    """Mean layer of the authors' sentences: `exit`, where they leave, or `forecast`."""
    exits = _exits(bench, threshold)
    if exits is None or bench.workload is None or bench.workload.entropies is None:
        return Simulated.missing(NEEDS_FORECASTS)
    layers = exits.exit_layers if kind == "exit" else exits.forecast_layers
    return Simulated(float(layers(bench.workload.entropies).mean()))


def forecast_gain(
    bench: Bench, threshold: float, target_ms: float, quantity: str, against: str
) -> Simulated:
    """Energy of a baseline over latency-aware inference on pruned edgebert-n16.

    Baselines: `full depth` and `exits` at full speed on the same chip, `tx2` dense at full depth.
    """
    exits = _exits(bench, threshold)
    if exits is None:
        return Simulated.missing(NEEDS_FORECASTS)
    chip, pruned = bench.chip("edgebert-n16"), bench.albert(ENCODER_DENSITY, TABLE_DENSITY)
    mine = bench.forecast_result(chip, pruned, exits, 1e-3 * target_ms)
    if against == "tx2":
        other = bench.result(load_chip(TX2), bench.albert())
    else:
        other = bench.result(chip, pruned, EXIT_THRESHOLD if against == "exits" else None)
    found = gain(other, mine, quantity, same_sources=against != "tx2")
    return replace(found, note=_shares(mine))


def _shares(result: SimResult) -> str:
    """How the sentences ran behind layer 1."""
    use = result.voltage
    assert use is not None
    shares = {
        "left after layer 1": use.first_layer_fraction, "lowest voltage": use.lowest_fraction,
        "between": use.between_fraction, "full speed": use.full_speed_fraction,
        "missed": use.missed_fraction,
    }  # fmt: skip
    words = ", ".join(f"{name} {percent_text(share)}" for name, share in shares.items())
    return f"sentences: {words}; mean latency {1e3 * result.latency_s.value:.1f} ms"


MEASURES: dict[str, Callable[..., Any]] = {
    "forecast_average": forecast_average,
    "forecast_gain": forecast_gain,
}
