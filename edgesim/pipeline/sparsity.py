"""Accuracy by share of zeros, of a shipped model's own training stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.ir.sparsity_study import SparsityRow, SparsityStudy
from edgesim.pipeline.models import find_model

EMBEDDING_FRACTIONS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
ENCODER_FRACTIONS = (0.5, 0.7, 0.85, 0.95)
METHODS = ("magnitude", "movement")


def sparsity_study(
    model: str | Path, weights_file: Path, data_dir: Path, *,
    embedding_fractions: Sequence[float] = EMBEDDING_FRACTIONS,
    encoder_fractions: Sequence[float] = ENCODER_FRACTIONS, methods: Sequence[str] = METHODS,
    num_steps: int = 150, seed: int = 1, base_dir: Path | None = None,
) -> SparsityStudy:  # fmt: skip
    """Prune the weights of a training stage by parts, methods and shares of zeros.

    The word table is pruned at once; the encoder while it is trained for `num_steps` on the
    recipe's training rows. Accuracy is measured on DATA/task/dev.tsv. `weights_file` is what a
    stage of the model's recipe left in its work folder, usually the dense one.
    """
    for fraction in (*embedding_fractions, *encoder_fractions):
        if not 0 <= fraction < 1:
            raise InputError(f"share of zeros {fraction:g}: allowed are 0 to below 1")
    if num_steps < 1:
        raise InputError(f"{num_steps} steps: at least 1 is needed")
    from edgesim.compress import build, stage_runs
    from edgesim.compress.base import find_base
    from edgesim.compress.evaluate import correct_answers
    from edgesim.compress.recipe import load_recipe
    from edgesim.compress.sparsity_curve import embedding_rows, encoder_rows
    from edgesim.compress.training import TrainingSet

    folder = find_model(model).path
    source = stage_runs.file_weights(folder, weights_file)
    recipe = load_recipe(folder / "recipe.yaml")
    data = build.load_task(recipe, data_dir)
    assert data.train.labels is not None
    runs = stage_runs.dev_runs(folder, source.model, data_dir)
    rows: list[SparsityRow] = []
    total = len(embedding_fractions) + len(methods) * len(encoder_fractions)
    with tqdm(total=total, desc="sparsity", unit="row", disable=None) as bar:
        for row in embedding_rows(runs, embedding_fractions):
            rows.append(row)
            bar.update()
        if methods and encoder_fractions:
            tokens = build.training_tokens(recipe, data, find_base(recipe.base, base_dir))
            training = TrainingSet(tokens, data.train.labels)
            for row in encoder_rows(runs, training, methods, encoder_fractions, num_steps, seed):
                rows.append(row)
                bar.update()
    right = int(correct_answers(runs.logits, runs.labels)[:, -1].sum())
    return SparsityStudy(
        weights=source.name, sha256=source.sha256, notes=(_training_note(num_steps), *source.notes),
        text=f"{recipe.task.name} dev", num_sentences=len(runs.labels), correct=right,
        rows=tuple(rows),
    )  # fmt: skip


def _training_note(num_steps: int) -> str:
    return (
        f"the encoder is trained for {num_steps} steps while it is pruned, every row from the same "
        "weights, with labels alone; the word table is pruned at once; nothing is rounded"
    )
