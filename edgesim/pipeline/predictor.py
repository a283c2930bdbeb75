"""Fitting a zoo model's exit predictor, and how well its forecasts hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.ir.workload import Workload
from edgesim.pipeline.models import find_model


def fit_predictor(model: str, data_dir: Path | None) -> Mapping[str, Any]:
    """Figures of a model's predictor, fitted anew where text is given.

    `layers` holds, for layer 2 on, the mean squared error of the forecast and the variance of the
    entropy, both on the selection slice and on the recorded dev set, in nats².
    """
    folder = find_model(model)
    if data_dir is not None:
        from edgesim.compress.exit_predictor import fit_exit_predictor

        fit_exit_predictor(folder.path, data_dir)
    selection, dev = folder.selection(), folder.workload()
    if selection is None or selection.predictor is None:
        raise InputError(
            f"{folder.name} has no exit predictor; fit one with --data DIR (TASK/train.tsv)"
        )
    return {
        "model": folder.name,
        "origin": selection.predictor.origin,
        "num_rows": len(selection.predictor.first_entropies),
        "num_layers": selection.predictor.num_layers,
        "layers": [
            {"layer": layer, **_errors("selection", selection, layer), **_errors("dev", dev, layer)}
            for layer in range(2, selection.predictor.num_layers)
        ],
    }


def predictor_lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures as text."""
    lines = [
        f"{figures['model']}: table of {figures['num_rows']} layer-1 entropies, fitted on "
        f"{figures['origin']}",
        "mean squared error / variance of the entropy (nats²); equal where layer 1 tells nothing",
        "  layer   selection        dev",
    ]
    for row in figures["layers"]:
        parts = [
            f"{row[f'{name}_error_nats2']:.3f} / {row[f'{name}_variance_nats2']:.3f}"
            for name in ("selection", "dev")
        ]
        lines.append(f"  {row['layer']:>5}   {parts[0]}    {parts[1]}")
    return lines


def _errors(name: str, workload: Workload, layer: int) -> dict[str, float]:
    entropies, predictor = workload.entropies, workload.predictor
    if entropies is None or predictor is None:
        raise InputError(f"workload {workload.name!r} holds no entropies or no predictor")
    forecast = predictor.forecast_entropies(entropies[:, 0])[:, layer - 2]
    seen = entropies[:, layer - 1]
    return {
        f"{name}_error_nats2": float(((seen - forecast) ** 2).mean()),
        f"{name}_variance_nats2": float(seen.var()),
    }
