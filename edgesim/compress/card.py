"""The card of a zoo model: its figures in Markdown, with origin, licence and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from edgesim.compress.evaluate import THRESHOLD_STEP
from edgesim.compress.recipe import Recipe
from edgesim.compress.steps import Prune
from edgesim.compress.zoo_config import ZooConfig
from edgesim.markdown import inert

Figures = Mapping[str, Any]


def percent(proportion: Figures) -> str:
    """`89.7 % (782 of 872; 95 % interval 87.5 to 91.5)`."""
    return (
        f"{100 * proportion['value']:.1f} % ({proportion['correct']} of {proportion['num']}; "
        f"95 % interval {100 * proportion['low']:.1f} to {100 * proportion['high']:.1f})"
    )


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def ramp_lines(dev: Figures, dense: Figures | None) -> list[str]:
    """Table of the accuracy of every off-ramp, to the depth of the deeper model."""
    columns = [dev] if dense is None else [dev, dense]
    names = ("compressed",) if dense is None else ("compressed", "dense")
    rows = []
    figures = [column["accuracy_by_ramp"] for column in columns]
    for layer in range(max(map(len, figures))):
        cells = (percent(ramps[layer]) if layer < len(ramps) else "" for ramps in figures)
        rows.append((str(layer + 1), *cells))
    return _table(("off-ramp behind layer", *names), rows)


def matthews_lines(dev: Figures, dense: Figures | None) -> list[str]:
    """Sentence on the Matthews correlation, and its table by off-ramp; none without figures."""
    if "matthews" not in dev:
        return []
    columns = [dev] if dense is None else [dev, dense]
    by_ramp = [[f"{value:.3f}" for value in column["matthews"]["by_ramp"]] for column in columns]
    layers = enumerate(zip_longest(*by_ramp, fillvalue=""), start=1)
    rows = [(str(layer), *cells) for layer, cells in layers]
    exits = ", ".join(
        f"{value:.3f} at {dev['exits'][loss]['threshold_nats']:.2f} nats"
        for loss, value in dev["matthews"]["exits"].items()
    )
    names = ("compressed",) if dense is None else ("compressed", "dense")
    return [
        f"Matthews correlation, the task's own measure (0 for one answer to everything), with "
        f"early exit: {exits}; by off-ramp:",
        "",
        *_table(("off-ramp behind layer", *names), rows),
        "",
    ]


def exit_lines(dev: Figures) -> list[str]:
    """Table of early exit at the chosen thresholds."""
    full = dev["accuracy_by_ramp"][-1]["value"]
    rows = [
        (
            f"{loss} point{'s' if loss != '1' else ''}",
            f"{point['threshold_nats']:.2f}",
            percent(point["accuracy"]),
            f"{100 * (point['accuracy']['value'] - full):+.1f}",
            f"{point['average_exit_layer']:.2f} of {len(dev['accuracy_by_ramp'])}",
        )
        for loss, point in dev["exits"].items()
    ]
    header = ("allowed loss", "threshold (nats)", "accuracy", "against full depth (points)",
              "average exit layer")  # fmt: skip
    return _table(header, rows)


def threshold_lines(dev: Figures) -> list[str]:
    """Table of early exit over fixed thresholds."""
    rows = [
        (
            f"{point['threshold_nats']:.2f}",
            f"{100 * point['accuracy']['value']:.1f} %",
            f"{point['average_exit_layer']:.2f}",
        )
        for point in dev["exit_table"]
    ]
    return _table(("threshold (nats)", "accuracy", "average exit layer"), rows)


def paired_line(dev: Figures) -> str:
    """Sentence on the paired comparison with the dense model."""
    pair = dev["compressed_minus_dense"]
    return (
        f"Compressed minus dense, full depth, the same {pair['num']} rows: "
        f"{100 * pair['difference']:+.1f} points, 95 % interval {100 * pair['low']:+.1f} to "
        f"{100 * pair['high']:+.1f} ({pair['method']}; {pair['only_model_right']} rows only the "
        f"compressed model gets right, {pair['only_reference_right']} only the dense one)."
    )


def dev_lines(dev: Figures, dense: Figures | None = None) -> list[str]:
    """The dev figures of the card; `edgesim evaluate` prints the same from a new measurement."""
    lines = [*ramp_lines(dev, dense), "", *matthews_lines(dev, dense)]
    if "compressed_minus_dense" in dev:
        lines += [paired_line(dev), ""]
    return [*lines, *exit_lines(dev), "", *threshold_lines(dev)]


def _demo_lines(demo: Figures) -> list[str]:
    lines = [
        f"{demo['num']} sentences written for this project before any model saw them: "
        f"{percent(demo['exit']['accuracy'])} with early exit at "
        f"{demo['exit']['threshold_nats']:.2f} nats, average exit layer "
        f"{demo['exit']['average_exit_layer']:.2f}; {percent(demo['full_depth'])} at full depth.",
        "",
    ]
    if demo["errors"]:
        rows = [
            (str(e["label"]), str(e["answer"]), str(e["exit_layer"]), e["sentence"])
            for e in demo["errors"]
        ]
        lines += ["Wrong answers:", "", *_table(("label", "answer", "exit", "sentence"), rows)]
    return lines


def _method_lines(recipe: Recipe, evaluation: Figures) -> list[str]:
    rows = evaluation["num_rows"]
    last = recipe.stages[-1]
    lines = [
        f"- Training: {rows['train']} rows, stages "
        + ", then ".join(f"`{s.name}` ({s.epochs:g} epochs, {s.precision})" for s in recipe.stages)
        + f"; off-ramps trained together with the encoder; seed {recipe.seed}, one run.",
        *_compression_lines(last.prune, evaluation),
        f"- Thresholds: chosen on {rows['selection']} training rows (`selection_rows.txt`, row "
        f"numbers from 0) that are contained in no other row; every row contained in one of them "
        f"was left out of training. Of a grid of {THRESHOLD_STEP} nats, the threshold of least "
        f"average exit whose loss there, plus one standard error of the paired difference, is "
        f"within the allowed points.",
        f"- Measured: float32, PyTorch, no padding, on the {rows['dev']} dev rows, which chose "
        f"no threshold, epoch or seed. The compressed figures are those of the stored weights as "
        f"read back. A sentence leaves at the first off-ramp whose entropy is strictly below the "
        f"threshold. Intervals of single accuracies are Wilson's.",
        "- Not measured: other seeds, other data sets, arithmetic other than float32.",
    ]
    if recipe.notes:
        lines.append(f"- {' '.join(recipe.notes.split())}")
    return lines


def _compression_lines(prune: Prune | None, evaluation: Figures) -> list[str]:
    names = {
        "encoder.embeddings": "frozen embeddings",
        "encoder.encoder": "encoder layers",
        "ramps": "off-ramps",
    }
    parts = ", ".join(
        f"{names[part]} {100 * weights['zero_fraction']:.1f} % of {weights['num_parameters']:,}"
        for part, weights in evaluation["weights"].items()
    )
    target = ""
    if prune is not None and prune.final_fraction is not None:
        target = f" (target {100 * prune.final_fraction:g} % per matrix)"
    return [f"- Zeros: {parts}{target}."]


def card_text(recipe: Recipe, config: ZooConfig, evaluation: Figures) -> str:
    """The whole card, generated from the recipe and the measured figures alone.

    Notes and sentences come from files: links and pictures in them stay text.
    """
    dense = evaluation["dense"]["dev"] if "dense" in evaluation else None
    encoder, stored = config.encoder, evaluation["stored_bytes"]
    base = recipe.base
    lines = [
        f"# {recipe.name}", "",
        f"{base.hf_id}, fine-tuned on {recipe.task.name} with an off-ramp after every layer "
        f"({recipe.pooling}-pooled), pruned and rounded to "
        f"{config.weight_format.number_format.name}: {encoder.num_hidden_layers} layers of width "
        f"{encoder.hidden_size}, "
        f"{encoder.num_attention_heads} heads, sentences of up to {config.max_tokens} tokens.", "",
        f"Stored as codes, bitmask and exponent bias: {stored['weights']:,} bytes in "
        f"`{config.weights.file}`, {stored['embeddings']:,} bytes of frozen embeddings in "
        f"`../shared/{config.embeddings.file}`.", "",
        "## Figures on the dev set", "",
        *dev_lines(evaluation["dev"], dense), "",
    ]  # fmt: skip
    if "demo" in evaluation:
        lines += ["## Demo sentences", "", *_demo_lines(evaluation["demo"]), ""]
    lines += ["## What was done and measured how", "", *_method_lines(recipe, evaluation), ""]
    lines += [
        "## Origin and licence", "",
        f"- Base: {base.hf_id}, sha256 of its weights {base.sha256}; "
        f"licence {base.licence or 'not stated in the recipe'}.",
        f"- Text: {' '.join((recipe.task.data_note or 'not described in the recipe').split())}",
        "- The recorded workload holds token ids sorted within each sentence, logits, labels and "
        "hashes, no text.",
        "", f"Rebuild: `edgesim compress models/{recipe.name}/recipe.yaml --data DIR`; measure "
        f"again: `edgesim evaluate {recipe.name} --data DIR`. This file is generated.", "",
    ]  # fmt: skip
    return inert("\n".join(lines))
