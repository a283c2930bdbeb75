"""The figures of a zoo model, measured: what evaluation.json holds and the card prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgesim.compress.evaluate import (
    ExitPoint,
    Labels,
    Logits,
    accuracy_by_ramp,
    choose_threshold,
    correct_answers,
    early_exit,
    entropy_nats,
    exit_answers,
    exit_table,
    matthews,
    matthews_by_ramp,
)
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import load_recipe
from edgesim.compress.record import record
from edgesim.compress.text import LabelledText, read_tsv
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError
from edgesim.ir.exits import EntropyExit
from edgesim.ir.workload import Workload
from edgesim.statistics import Proportion, paired_difference
from edgesim.units import whole_number

ALLOWED_LOSSES_POINTS = (1, 2, 5)
"""Accuracy points that early exit may cost, as in EdgeBERT (2021)."""
MAIN_LOSS_POINTS = "1"
TABLE_THRESHOLDS_NATS = tuple(round(0.05 * i, 2) for i in range(14))
EVALUATION_FILE = "evaluation.json"
EVALUATION_VERSION = 1
DEMO_FILE = "demo_sentences.tsv"

Figures = dict[str, Any]


def proportion_figures(proportion: Proportion) -> Figures:
    """A proportion as JSON."""
    return {"value": proportion.value, **asdict(proportion)}


def exit_figures(point: ExitPoint) -> Figures:
    """An exit point as JSON."""
    return {
        "threshold_nats": point.threshold,
        "accuracy": proportion_figures(point.accuracy),
        "average_exit_layer": point.average_exit_layer,
    }


def choose_thresholds(logits: Logits, labels: Labels) -> dict[str, float]:
    """Exit thresholds in nats by allowed loss in points, chosen on the selection slice."""
    return {
        str(loss): choose_threshold(logits, labels, loss).threshold
        for loss in ALLOWED_LOSSES_POINTS
    }


def set_figures(
    logits: Logits, labels: Labels, thresholds: Mapping[str, float], metric: str = "accuracy"
) -> Figures:
    """Accuracy of every ramp and exits at the chosen thresholds on one set of rows.

    With metric `matthews`, that correlation of the same answers too.
    """
    figures: Figures = {
        "num": len(labels),
        "accuracy_by_ramp": [proportion_figures(p) for p in accuracy_by_ramp(logits, labels)],
        "exits": {
            loss: exit_figures(early_exit(logits, labels, threshold))
            for loss, threshold in thresholds.items()
        },
    }
    if metric == "matthews":
        figures[metric] = {
            "by_ramp": list(matthews_by_ramp(logits, labels)),
            "exits": {
                loss: matthews(exit_answers(logits, threshold), labels)
                for loss, threshold in thresholds.items()
            },
        }
    return figures


def dev_figures(
    workload: Workload, thresholds: Mapping[str, float],
    dense_predictions: NDArray[np.int64] | None, metric: str = "accuracy",
) -> Figures:  # fmt: skip
    """`set_figures` of a recorded dev set, with the exit table and the comparison with dense."""
    if workload.logits is None or workload.labels is None:
        raise InputError(f"workload {workload.name!r} holds no logits or no labels")
    logits, labels = workload.logits, workload.labels
    figures = set_figures(logits, labels, thresholds, metric)
    figures["exit_table"] = [
        exit_figures(point) for point in exit_table(logits, labels, TABLE_THRESHOLDS_NATS)
    ]
    if dense_predictions is not None:
        if len(dense_predictions) != len(labels):
            raise InputError(
                f"{len(dense_predictions)} stored predictions of the dense model for "
                f"{len(labels)} dev rows; this is not the dev set of the card"
            )
        right = correct_answers(logits, labels)[:, -1]
        figures["compressed_minus_dense"] = asdict(
            paired_difference(right, dense_predictions == labels)
        )
    return figures


def demo_figures(
    model: MultiExitClassifier, tokenizer: Tokenizer, text: LabelledText, threshold: float,
    max_tokens: int,
) -> Figures:  # fmt: skip
    """Accuracy, average exit and every wrong answer on the demo sentences."""
    if text.labels is None:
        raise InputError("the demo sentences have no label column")
    workload = record(model, tokenizer, text, name="demo", max_tokens=max_tokens)
    assert workload.logits is not None
    logits = workload.logits
    layers = EntropyExit(threshold).exit_layers(entropy_nats(logits))
    answers = logits.argmax(axis=-1)[np.arange(len(text)), layers - 1]
    wrong = np.flatnonzero(answers != text.labels)
    return {
        "num": len(text),
        "full_depth": proportion_figures(accuracy_by_ramp(logits, text.labels)[-1]),
        "exit": exit_figures(early_exit(logits, text.labels, threshold)),
        "errors": [
            {
                "sentence": text.sentences[row],
                "label": int(text.labels[row]),
                "answer": int(answers[row]),
                "exit_layer": int(layers[row]),
            }
            for row in wrong
        ],
    }


def weight_figures(model: MultiExitClassifier) -> Figures:
    """Parameters and zero fractions by part of the model."""
    figures: Figures = {}
    for part in ("encoder.embeddings", "encoder.encoder", "ramps"):
        tensors = [p.detach().numpy() for n, p in model.named_parameters() if n.startswith(part)]
        size = sum(t.size for t in tensors)
        zeros = sum(int((t == 0).sum()) for t in tensors)
        figures[part] = {"num_parameters": size, "zero_fraction": zeros / size}
    return figures


def load_evaluation(folder: Path) -> Figures:
    """The stored figures of a zoo folder; InputError when they are missing or damaged."""
    path = folder / EVALUATION_FILE
    try:
        figures = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); restore the file") from None
    if not isinstance(figures, dict) or figures.get("schema_version") != EVALUATION_VERSION:
        raise InputError(f"{path}: not an evaluation of schema {EVALUATION_VERSION}")
    return figures


def read_predictions(evaluation: Mapping[str, Any]) -> NDArray[np.int64] | None:
    """The dense model's stored answers to the dev rows, if the evaluation has them."""
    stored = evaluation.get("dense_dev_predictions")
    if stored is None:
        return None
    answers = [whole_number(word) for word in str(stored).split(" ")]
    if None in answers:
        raise InputError(
            f"{EVALUATION_FILE}: dense_dev_predictions holds other than labels; restore the file"
        )
    return np.array(answers, dtype=np.int64)


def evaluate_zoo(folder: Path, data_dir: Path) -> Figures:
    """Measure a zoo model anew on DATA/task/dev.tsv; same form as the `dev` of evaluation.json."""
    config, recipe = load_zoo_config(folder), load_recipe(folder / "recipe.yaml")
    text = read_tsv(data_dir / recipe.task.name / "dev.tsv")
    workload = record(
        load_zoo_model(folder), load_zoo_tokenizer(folder), text,
        name=f"{recipe.task.name} dev", max_tokens=config.max_tokens, model_name=config.name,
    )  # fmt: skip
    predictions = None
    if (folder / EVALUATION_FILE).is_file():
        predictions = read_predictions(load_evaluation(folder))
    return dev_figures(workload, config.thresholds_nats, predictions, recipe.task.metric)
