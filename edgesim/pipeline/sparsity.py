"""Accuracy by share of zeros, of a shipped model's own training stage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.ir.sparsity_study import SparsityRow, SparsityStudy
from edgesim.pipeline.models import find_model
from edgesim.pipeline.output import write_json, write_text

if TYPE_CHECKING:
    from edgesim.compress.recipe import Recipe
    from edgesim.compress.sparsity_curve import PruningRun
    from edgesim.compress.training import TrainingSet

EMBEDDING_FRACTIONS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
ENCODER_FRACTIONS = (0.5, 0.7, 0.85, 0.95)
METHODS = ("magnitude", "movement")


def sparsity_study(
    model: str | Path, weights_file: Path | None, data_dir: Path, *,
    embedding_fractions: Sequence[float] = EMBEDDING_FRACTIONS,
    encoder_fractions: Sequence[float] = ENCODER_FRACTIONS, methods: Sequence[str] = METHODS,
    num_steps: int = 150, seed: int = 1, batch_size: int = 64,
    schedule: tuple[float, float] = (0.05, 0.7), base_dir: Path | None = None,
    work_dir: Path | None = None,
) -> SparsityStudy:  # fmt: skip
    """Prune the weights of a training stage, or of the base, by parts, methods and shares.

    The word table is pruned at once; the encoder while it is trained for `num_steps` on the
    recipe's training rows, zeros growing between the two shares of the steps in `schedule`.
    Accuracy is measured on DATA/task/dev.tsv. `weights_file` is what a stage of the model's recipe
    left in its work folder, usually the dense one. With None every encoder row starts from the
    pretrained base with fresh off-ramps, as movement pruning is meant to; what they are compared
    with is then the base trained alike and not pruned, and the word table is left alone.
    """
    _check((*embedding_fractions, *encoder_fractions), num_steps, batch_size, schedule)
    from edgesim.compress import stage_runs
    from edgesim.compress.evaluate import correct_answers
    from edgesim.compress.recipe import load_recipe
    from edgesim.compress.sparsity_curve import (
        PruningRun,
        embedding_rows,
        encoder_rows,
        unpruned_runs,
    )

    folder = find_model(model).path
    recipe = load_recipe(folder / "recipe.yaml")
    if weights_file is None:
        source, embedding_fractions = stage_runs.base_weights(folder, recipe, base_dir), ()
    else:
        source = stage_runs.file_weights(folder, weights_file)
    runs = stage_runs.dev_runs(folder, source.model, data_dir)
    run = PruningRun(num_steps, seed, batch_size, start=schedule[0], end=schedule[1])
    rows: list[SparsityRow] = []
    total = len(embedding_fractions) + len(methods) * len(encoder_fractions)
    with tqdm(total=total, desc="sparsity", unit="row", disable=None) as bar:
        for row in embedding_rows(runs, embedding_fractions):
            rows.append(row)
            bar.update()
        if methods and encoder_fractions:
            training = _training_set(recipe, data_dir, base_dir)
            if weights_file is None:
                runs = unpruned_runs(source.model, training, run, runs, work_dir)
            for row in encoder_rows(
                source.model, runs, training, methods, encoder_fractions, run, work_dir
            ):
                rows.append(row)
                bar.update()
    right = int(correct_answers(runs.logits, runs.labels)[:, -1].sum())
    return SparsityStudy(
        weights=source.name, sha256=source.sha256,
        notes=(_training_note(run, weights_file is None), *source.notes),
        text=f"{recipe.task.name} dev", num_sentences=len(runs.labels), correct=right,
        rows=tuple(rows),
    )  # fmt: skip


def _training_set(recipe: Recipe, data_dir: Path, base_dir: Path | None) -> TrainingSet:
    """The recipe's training rows, tokenised."""
    from edgesim.compress import build
    from edgesim.compress.base import find_base
    from edgesim.compress.training import TrainingSet

    data = build.load_task(recipe, data_dir)
    assert data.train.labels is not None
    tokens = build.training_tokens(recipe, data, find_base(recipe.base, base_dir))
    return TrainingSet(tokens, data.train.labels)


def _check(
    fractions: Sequence[float], num_steps: int, batch_size: int, schedule: tuple[float, float]
) -> None:
    """InputError for what cannot be asked for."""
    for fraction in fractions:
        if not 0 <= fraction < 1:
            raise InputError(f"share of zeros {fraction:g}: allowed are 0 to below 1")
    for value, what in ((num_steps, "steps"), (batch_size, "rows a step")):
        if value < 1:
            raise InputError(f"{value} {what}: at least 1 is needed")
    if not 0 <= schedule[0] <= schedule[1] <= 1:
        raise InputError(f"schedule {schedule[0]:g} {schedule[1]:g}: 0 <= START <= END <= 1")


def _training_note(run: PruningRun, from_base: bool) -> str:
    rest = "unpruned: the same training without zeros" if from_base else (
        "the word table is pruned at once"
    )  # fmt: skip
    return (
        f"the encoder is trained for {run.num_steps} steps of {run.batch_size} rows while it is "
        f"pruned (zeros grow from {run.start:g} to {run.end:g} of them), every row from the same "
        f"weights, with labels alone; {rest}; nothing is rounded"
    )


def write_sparsity_study(study: SparsityStudy, folder: Path, command: str) -> tuple[str, ...]:
    """Names of the written files: sparsity.json with `_meta`, sparsity.csv, the picture."""
    from edgesim.plot.pictures import save_picture
    from edgesim.plot.sparsity import HEIGHT_INCHES, plot_sparsity

    folder.mkdir(exist_ok=True)
    write_json(folder / "sparsity.json", study.to_json(command))
    write_text(folder / "sparsity.csv", study.to_frame().to_csv(index=False, lineterminator="\n"))
    picture = "accuracy_by_sparsity.png"
    save_picture(folder / picture, HEIGHT_INCHES, partial(plot_sparsity, study))
    return ("sparsity.json", "sparsity.csv", picture)
