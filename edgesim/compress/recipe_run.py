"""From a recipe to a zoo folder: train, choose thresholds, store, measure, write the card."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.compress import assessment, smoke
from edgesim.compress.base import find_base
from edgesim.compress.build import (
    TaskData,
    load_stage,
    load_task,
    split_task,
    train_recipe,
    training_tokens,
)
from edgesim.compress.card import card_text
from edgesim.compress.evaluate import Logits
from edgesim.compress.exit_predictor import store_selection
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.recipe import Recipe, load_recipe
from edgesim.compress.record import record, unpadded_logits
from edgesim.compress.stored_selection import SELECTION_ROWS
from edgesim.compress.stored_weights import SHARED_FOLDER
from edgesim.compress.text import LabelledText, load_tokenizer, read_tsv, tokenize
from edgesim.compress.zoo import (
    load_zoo_model,
    load_zoo_tokenizer,
    save_zoo_model,
    weight_format,
)
from edgesim.compress.zoo_config import CONFIG_FILE, load_zoo_config
from edgesim.errors import InputError
from edgesim.files import json_text
from edgesim.ir.token_counts import FILE_NAME as COUNTS_FILE
from edgesim.ir.token_counts import save_token_counts
from edgesim.ir.workload import Workload
from edgesim.whole_file import write_whole

RECIPE_FILE = "recipe.yaml"
WORKLOAD_FILE = "dev_workload.npz"
CARD_FILE = "card.md"


@dataclass(frozen=True)
class CompressResult:
    """The finished zoo folder and its figures (the content of evaluation.json).

    The folder holds no op trace and no ranges of activations yet: these are other stages, so the
    pipeline adds them.
    """

    folder: Path
    evaluation: Mapping[str, Any]
    task: str
    dev: Workload
    """The recorded dev set, token ids in their order."""
    selection: Workload
    """The same of the selection slice."""


def compress_recipe(
    recipe_path: Path, *, data_dir: Path | None = None, base: Path | None = None,
    out_dir: Path | None = None, work_dir: Path | None = None, smoke_run: bool = False,
) -> CompressResult:  # fmt: skip
    """Train a recipe, or finish what the work folder holds, and write its zoo folder.

    `out_dir` defaults to the recipe's own folder, `work_dir` to build/compress/NAME; embeddings
    go to the folder `shared` beside `out_dir`. With `smoke_run`, 20 steps on generated text in a
    temporary work folder, and `out_dir` must be named. Raises InputError for a missing base,
    missing data or a recipe that does not end in storable weights.
    """
    recipe = load_recipe(recipe_path)
    if smoke_run:
        if out_dir is None:
            raise InputError("a smoke run needs an output folder, so that no model is overwritten")
        with tempfile.TemporaryDirectory() as scratch:
            work = work_dir or Path(scratch)
            smoke.write_tiny_base(work / "base", recipe.task.max_tokens)
            recipe = smoke.smoke_recipe(recipe)
            data = split_task(recipe, *smoke.smoke_text(recipe.seed))
            steps = -(-smoke.STEPS // len(recipe.stages))
            return _run(recipe, recipe_path, data, work / "base", out_dir, work, steps)
    if data_dir is None:
        raise InputError(f"recipe {recipe.name}: name the data folder (DATA/{recipe.task.name})")
    source = find_base(recipe.base, base)
    data = load_task(recipe, data_dir)
    work = work_dir or Path("build") / "compress" / recipe.name
    return _run(recipe, recipe_path, data, source, out_dir or recipe_path.parent, work, None)


def _run(
    recipe: Recipe, recipe_path: Path, data: TaskData, base: Path, out: Path, work: Path,
    max_steps: int | None,
) -> CompressResult:  # fmt: skip
    weight_format(recipe)
    if (out / CONFIG_FILE).is_file() and (other := load_zoo_config(out).name) != recipe.name:
        raise InputError(f"{out}: holds the model {other}; name another output folder")
    model = train_recipe(recipe, data, base, work, max_steps)
    thresholds = assessment.choose_thresholds(
        _logits(model, recipe, base, data.selection), _labels(data.selection)
    )
    save_zoo_model(
        model, recipe, out, out.parent / SHARED_FOLDER,
        tokenizer_path=base / "tokenizer.json", thresholds_nats=thresholds,
    )  # fmt: skip
    _write_side_files(recipe, recipe_path, data, base, out)
    dev, selection = _record(recipe, data, out)
    evaluation = _evaluate(recipe, data, base, out, work, dev)
    write_whole(out / assessment.EVALUATION_FILE, (json_text(evaluation, indent=1) + "\n").encode())
    write_whole(out / CARD_FILE, card_text(recipe, load_zoo_config(out), evaluation).encode())
    return CompressResult(out, evaluation, recipe.task.name, dev, selection)


def _labels(text: LabelledText) -> NDArray[np.int64]:
    if text.labels is None:
        raise InputError("these rows have no labels")
    return text.labels


def _logits(model: MultiExitClassifier, recipe: Recipe, base: Path, text: LabelledText) -> Logits:
    tokenizer = load_tokenizer(base / "tokenizer.json")
    return unpadded_logits(model, tokenize(tokenizer, text, recipe.task.max_tokens))


def _write_side_files(
    recipe: Recipe, recipe_path: Path, data: TaskData, base: Path, out: Path
) -> None:
    if recipe_path.resolve() != (out / RECIPE_FILE).resolve():
        write_whole(out / RECIPE_FILE, recipe_path.read_bytes())
    demo = recipe_path.parent / assessment.DEMO_FILE
    if demo.is_file() and demo.resolve() != (out / demo.name).resolve():
        write_whole(out / demo.name, demo.read_bytes())
    rows = "".join(f"{row}\n" for row in data.split.selection_rows)
    write_whole(out / SELECTION_ROWS, rows.encode())
    vocabulary_size = load_zoo_config(out).encoder.vocab_size
    tokens = np.concatenate(training_tokens(recipe, data, base))
    counts = np.bincount(tokens, minlength=vocabulary_size).astype(np.int64)
    save_token_counts(out / COUNTS_FILE, counts, f"{recipe.task.name} train")


def _dense_figures(recipe: Recipe, dev: LabelledText, base: Path, work: Path) -> dict[str, Any]:
    """Dev figures of the first stage, and its answers row by row for the paired comparison."""
    stage = recipe.stages[0].name
    logits = _logits(load_stage(recipe, stage, base, work), recipe, base, dev)
    answers = logits[:, -1].argmax(axis=-1)
    return {
        "dense": {
            "stage": stage,
            "dev": assessment.set_figures(logits, _labels(dev), {}, recipe.task.metric),
        },
        "dense_dev_predictions": " ".join(str(answer) for answer in answers),
    }


def _record(recipe: Recipe, data: TaskData, out: Path) -> tuple[Workload, Workload]:
    """Dev set and selection slice through the stored model, in order; both are stored too."""
    workload = record(
        load_zoo_model(out), load_zoo_tokenizer(out), data.dev, name=f"{recipe.task.name} dev",
        max_tokens=load_zoo_config(out).max_tokens, model_name=recipe.name,
    )  # fmt: skip
    workload.save(out / WORKLOAD_FILE)
    selection = store_selection(out, data.selection, recipe.task.name)
    return replace(workload, predictor=selection.predictor), selection


def _evaluate(
    recipe: Recipe, data: TaskData, base: Path, out: Path, work: Path, workload: Workload
) -> dict[str, Any]:
    """Figures of the stored model as read back from its folder, beside the first stage's."""
    config, model, tokenizer = load_zoo_config(out), load_zoo_model(out), load_zoo_tokenizer(out)
    thresholds, selection = config.thresholds_nats, data.selection
    evaluation: dict[str, Any] = {
        "schema_version": assessment.EVALUATION_VERSION,
        "model": recipe.name,
        "arithmetic": "float32",
        "num_rows": {"train": len(data.train), "selection": len(selection), "dev": len(data.dev)},
    }
    if len(recipe.stages) > 1:
        evaluation |= _dense_figures(recipe, data.dev, base, work)
    evaluation["selection"] = assessment.set_figures(
        _logits(model, recipe, base, selection), _labels(selection), thresholds, recipe.task.metric
    )
    predictions = assessment.read_predictions(evaluation)
    evaluation["dev"] = assessment.dev_figures(
        workload, thresholds, predictions, recipe.task.metric
    )
    demo = out / assessment.DEMO_FILE
    if demo.is_file():
        evaluation["demo"] = assessment.demo_figures(
            model, tokenizer, read_tsv(demo), thresholds[assessment.MAIN_LOSS_POINTS],
            config.max_tokens,
        )  # fmt: skip
    evaluation["weights"] = assessment.weight_figures(model)
    evaluation["stored_bytes"] = {
        "weights": (out / config.weights.file).stat().st_size,
        "embeddings": (out.parent / SHARED_FOLDER / config.embeddings.file).stat().st_size,
    }
    return evaluation
