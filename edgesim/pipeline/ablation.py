"""The ablation of a zoo model: rows from dense to the full recipe, cumulative, on one chip.

The rows' traces and recorded dev sets rest in the model's folder `ablation`, made from the
snapshots of its training chain; the hardware columns are simulated when the table is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgesim.errors import InputError
from edgesim.files import json_text, named_inside
from edgesim.hw.spec import Chip
from edgesim.ir.ablation import Ablation, AblationRow
from edgesim.ir.exits import EntropyExit
from edgesim.ir.latency import LatencyTarget
from edgesim.ir.ops import AttentionScores
from edgesim.ir.optrace import OpTrace
from edgesim.ir.trace_file import load_trace, save_trace
from edgesim.ir.workload import Workload
from edgesim.pipeline.lower import lower_model
from edgesim.pipeline.models import TRACE, WORKLOAD, find_model
from edgesim.pipeline.simulate import simulate
from edgesim.whole_file import whole_file

FOLDER = "ablation"
ROWS_FILE = "rows.json"
SCHEMA_VERSION = 1
FLOAT32_BYTES = 4
FULL_DEPTH_TIME = LatencyTarget(fraction=1.0)
"""No sentence later than the same model without early exit."""


def ablate(
    model: str | Path, chip: Chip, exit_threshold: float | None = None,
    target: LatencyTarget = FULL_DEPTH_TIME,
) -> Ablation:  # fmt: skip
    """Simulate every stored row; the last one is the final model with early exit.

    Each row runs at nominal speed, and with voltage scaling within `target`; a fraction is one of
    the row's own full-depth, full-speed time. `exit_threshold` in nats defaults to the model's own
    for one point of loss. Raises InputError when the folder holds no ablation.
    """
    source = find_model(model)
    stored = _load_rows(source.path)
    if exit_threshold is None:
        exit_threshold = source.thresholds()["1"]
    rows: list[AblationRow] = []
    first: OpTrace | None = None
    for entry, threshold in _with_exit(stored["rows"], exit_threshold):
        trace = load_trace(_row_file(source.path, entry, "trace"))
        workload = Workload.load(_row_file(source.path, entry, "workload"))
        first = trace if first is None else first
        policy = None if threshold is None else EntropyExit(threshold)
        result = simulate(trace, chip, workload=workload, exit_policy=policy)
        scaled = simulate(
            trace, chip, workload=workload, exit_policy=policy,
            latency_target_s=target.seconds, latency_target_fraction=target.fraction,
        )  # fmt: skip
        before = rows[-1].energy_j if rows else None
        figures = _trace_figures(trace, first, int(workload.num_tokens.max()))
        assert result.energy_j is not None
        assert result.accuracy is not None
        assert scaled.energy_j is not None
        assert scaled.accuracy is not None
        energy_j = result.energy_j.value
        rows.append(
            AblationRow(
                adds=entry["adds"] if threshold is None else f"exit below {threshold:g} nats",
                accuracy=result.accuracy,
                accuracy_in_format=None if threshold is not None else entry["accuracy_in_format"],
                average_exit_layer=result.average_exit_layer or float(trace.num_layers),
                latency_s=result.latency_s.value, energy_j=energy_j,
                energy_factor=1.0 if before is None else before / energy_j,
                scaled_accuracy=scaled.accuracy, scaled_latency_s=scaled.latency_s.value,
                scaled_energy_j=scaled.energy_j.value, **figures,
            )
        )  # fmt: skip
    return Ablation(
        source.name, chip.name, stored["format"], len(workload), target.words(), tuple(rows)
    )


def _with_exit(
    rows: list[dict[str, Any]], threshold: float
) -> Iterator[tuple[dict[str, Any], float | None]]:
    for row in rows:
        yield row, None
    yield rows[-1], threshold


def _load_rows(folder: Path) -> dict[str, Any]:
    path = folder / FOLDER / ROWS_FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{path}: cannot be read ({why}); make it from the training chain with "
            f"edgesim ablate {folder} --work WORK --data DIR"
        ) from None
    if stored.get("schema_version") != SCHEMA_VERSION or not stored.get("rows"):
        raise InputError(f"{path}: not an ablation of schema {SCHEMA_VERSION}; make it anew")
    return dict(stored)


def _row_file(folder: Path, row: dict[str, Any], key: str) -> Path:
    """The file that a row names, which lies in the model's folder."""
    try:
        return named_inside(folder, str(row.get(key, "")))
    except InputError as error:
        raise InputError(f"{folder / FOLDER / ROWS_FILE}: {key}: {error}") from None


def _trace_figures(trace: OpTrace, first: OpTrace, longest: int) -> dict[str, Any]:
    """Sparsities, spans and stored bytes of a trace beside those of the first row's."""
    size: dict[str, float] = {}
    kept: dict[str, float] = {}
    stored_bits = 0.0
    for tensor in trace.tensors.values():
        if tensor.tensor_class == "activation":
            continue
        count = tensor.num_elements(0)
        size[tensor.tensor_class] = size.get(tensor.tensor_class, 0) + count
        kept[tensor.tensor_class] = kept.get(tensor.tensor_class, 0) + count * tensor.density
        stored_bits += min(8 * count, 8 * count * tensor.density + count)
    spans, all_heads = _spans(trace, longest), len(_spans(first, longest))
    whole = sum(t.num_elements(0) for t in first.tensors.values() if t.tensor_class != "activation")
    zeros = {name: 1 - kept[name] / size[name] for name in size}
    return {
        "encoder_zero_fraction": zeros["encoder_weight"],
        "embedding_zero_fraction": zeros["embedding_weight"],
        "mean_span_tokens": float(np.sum(spans)) / all_heads,
        "num_heads_off": all_heads - len(spans),
        "stored_bytes": round(stored_bits / 8),
        "float32_ratio": FLOAT32_BYTES * whole / (stored_bits / 8),
    }


def _spans(trace: OpTrace, longest: int) -> list[int]:
    return [
        longest if span is None else min(span, longest)
        for op in trace.all_ops()
        if isinstance(op, AttentionScores)
        for span in op.spans
        if span != 0
    ]


def build_ablation(folder: Path, data_dir: Path, work: Path, base: Path | None = None) -> None:
    """Make the rows of a zoo model from the stages in the work folder of its recipe."""
    from edgesim.compress.ablation import CALIBRATION_ROWS, right_in_format, snapshots
    from edgesim.compress.base import find_base
    from edgesim.compress.build import load_task, training_tokens
    from edgesim.compress.recipe import load_recipe
    from edgesim.compress.record import record
    from edgesim.compress.text import load_tokenizer, tokenize
    from edgesim.compress.zoo import weight_format

    recipe = load_recipe(folder / "recipe.yaml")
    source, data = find_base(recipe.base, base), load_task(recipe, data_dir)
    number_format = weight_format(recipe).number_format
    tokenizer = load_tokenizer(source / "tokenizer.json")
    tokens = tokenize(tokenizer, data.dev, recipe.task.max_tokens)
    calibration = training_tokens(recipe, data, source)[:: len(data.train) // CALIBRATION_ROWS]
    assert data.dev.labels is not None
    out = folder / FOLDER
    out.mkdir(exist_ok=True)
    made = {row["name"]: row for row in _rows_so_far(out)}
    rows: list[dict[str, Any]] = []
    for snapshot in snapshots(recipe, source, work):
        last = snapshot.name == recipe.stages[-1].name
        found = made.get(snapshot.name)
        if not last and found is not None and found["recipe_sha256"] == snapshot.recipe_sha256:
            rows.append(found)
            continue
        model = snapshot.make()
        paths = [TRACE, WORKLOAD] if last else [
            f"{FOLDER}/{snapshot.name}.trace.npz", f"{FOLDER}/{snapshot.name}.workload.npz"
        ]  # fmt: skip
        if not last:
            trace = lower_model(model, name=snapshot.name, weight_format=number_format.name)
            save_trace(trace, folder / paths[0])
            record(
                model, tokenizer, data.dev, name=f"{recipe.task.name} dev",
                max_tokens=recipe.task.max_tokens, model_name=snapshot.name,
            ).save(folder / paths[1])  # fmt: skip
        right = right_in_format(model, number_format, calibration, tokens, data.dev.labels)
        rows.append({
            "name": snapshot.name, "adds": snapshot.adds, "trace": paths[0], "workload": paths[1],
            "accuracy_in_format": right / len(tokens), "recipe_sha256": snapshot.recipe_sha256,
        })  # fmt: skip
        content = {"schema_version": SCHEMA_VERSION, "format": number_format.name, "rows": rows}
        with whole_file(out / ROWS_FILE) as partial:
            partial.write_text(json_text(content, indent=1) + "\n")


def _rows_so_far(out: Path) -> list[dict[str, Any]]:
    """Rows of an earlier, perhaps unfinished build; none where there is no readable one."""
    try:
        rows = json.loads((out / ROWS_FILE).read_text(encoding="utf-8-sig"))["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(rows)
