"""Joint against two-stage training of off-ramps, on the task of a shipped model's recipe."""

from __future__ import annotations

from pathlib import Path

from edgesim.errors import InputError
from edgesim.ir.exit_study import ExitStudy
from edgesim.pipeline.models import find_model


def exit_study(
    model: str | Path, data_dir: Path, *, weights_file: Path | None = None, num_steps: int = 600,
    num_ramp_steps: int = 300, batch_size: int = 32, seed: int = 1, base_dir: Path | None = None,
    work_dir: Path | None = None,
) -> ExitStudy:  # fmt: skip
    """Train off-ramps both ways from the recipe's base, the encoder for `num_steps` each.

    With `weights_file`, what a jointly trained stage of the recipe left, that model and fresh
    ramps on its frozen encoder are measured too. Thresholds are chosen on the recipe's selection
    slice, figures are those of DATA/task/dev.tsv.
    """
    for value, what in (
        (num_steps, "steps"), (num_ramp_steps, "steps of the ramps"), (batch_size, "rows a step"),
    ):  # fmt: skip
        if value < 1:
            raise InputError(f"{value} {what}: at least 1 is needed")
    from edgesim.compress import build, stage_runs
    from edgesim.compress.base import find_base
    from edgesim.compress.exit_training import (
        ExitTraining,
        MeasuredText,
        variants_from,
        variants_of_trained,
    )
    from edgesim.compress.recipe import load_recipe
    from edgesim.compress.text import load_tokenizer, tokenize
    from edgesim.compress.training import TrainingSet

    folder = find_model(model).path
    recipe = load_recipe(folder / "recipe.yaml")
    trained = None if weights_file is None else stage_runs.file_weights(folder, weights_file)
    data, base = build.load_task(recipe, data_dir), find_base(recipe.base, base_dir)
    tokenizer = load_tokenizer(base / "tokenizer.json")
    texts = [tokenize(tokenizer, t, recipe.task.max_tokens) for t in (data.selection, data.dev)]
    assert data.train.labels is not None
    assert data.selection.labels is not None
    assert data.dev.labels is not None
    text = MeasuredText(texts[0], data.selection.labels, texts[1], data.dev.labels)
    rows = TrainingSet(build.training_tokens(recipe, data, base), data.train.labels)
    budget = ExitTraining(num_steps, num_ramp_steps, batch_size, seed=seed)
    start = build.base_model(recipe, base)
    variants = list(variants_from(start, rows, text, budget, work_dir))
    notes = [f"from the pretrained base, {batch_size} rows a step, with labels alone, seed {seed}"]
    if trained is not None:
        variants += variants_of_trained(trained.model, rows, text, budget, work_dir)
        notes += [f"stage: {trained.name}", *trained.notes]
    return ExitStudy(
        folder.name, tuple(notes), f"{recipe.task.name} dev", len(data.dev), len(data.selection),
        tuple(variants),
    )  # fmt: skip
