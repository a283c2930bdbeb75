"""Accuracy by share of zeros: embeddings pruned at once, encoder matrices pruned in training."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.altered_weights import WORD_TABLE, SentenceRuns
from edgesim.compress.evaluate import correct_answers, paired_difference
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.pruning import encoder_zero_fraction, magnitude_mask
from edgesim.compress.recipe import Stage
from edgesim.compress.record import unpadded_logits
from edgesim.compress.steps import Prune
from edgesim.compress.training import StageRun, TrainingSet
from edgesim.ir.sparsity_study import SparsityRow

PRUNE_START, PRUNE_END = 0.05, 0.7
"""Shares of the steps between which zeros grow, on the cubic schedule."""
BATCH_SIZE = 64
LEARNING_RATE = 1e-4


def embedding_rows(runs: SentenceRuns, fractions: Sequence[float]) -> Iterator[SparsityRow]:
    """The word table with the smallest magnitudes set to zero; nothing is trained."""
    table = torch.from_numpy(runs.weights()[WORD_TABLE])
    for fraction in fractions:
        pruned = (table * magnitude_mask(table, fraction)).numpy()
        logits = runs.logits_with({WORD_TABLE: pruned})
        zeros = float((pruned == 0).mean())
        yield _row("embedding", "magnitude", 0, fraction, zeros, runs, logits)


def encoder_rows(
    runs: SentenceRuns, rows: TrainingSet, methods: Sequence[str], fractions: Sequence[float],
    num_steps: int, seed: int,
) -> Iterator[SparsityRow]:  # fmt: skip
    """Copies of the model, each trained for `num_steps` while its encoder is pruned.

    All start from the same weights and see the same batches; off-ramps are trained jointly.
    """
    torch.set_num_threads(1)
    for method in methods:
        for fraction in fractions:
            model = copy.deepcopy(runs.model)
            _train(model, rows, method, fraction, num_steps, seed)
            zeros = encoder_zero_fraction(model.encoder.encoder)  # type: ignore[arg-type]
            logits = unpadded_logits(model.eval(), runs.tokens, quiet=True)
            yield _row("encoder", method, num_steps, fraction, zeros, runs, logits)


def _train(
    model: MultiExitClassifier, rows: TrainingSet, method: str, fraction: float, num_steps: int,
    seed: int,
) -> None:  # fmt: skip
    prune = Prune.model_validate(
        {"method": method, "final_fraction": fraction, "start": PRUNE_START, "end": PRUNE_END}
    )
    epochs = num_steps * BATCH_SIZE / len(rows.tokens)
    stage = Stage(
        name=f"{method}-{fraction:g}", epochs=epochs, batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE, prune=prune,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        StageRun(
            model, stage, rows, seed=seed, checkpoint=Path(folder) / "checkpoint.safetensors",
            max_steps=num_steps,
        ).run()  # fmt: skip


def _row(
    part: str, method: str, num_steps: int, asked: float, zeros: float, runs: SentenceRuns,
    logits: NDArray[np.float32],
) -> SparsityRow:  # fmt: skip
    right = correct_answers(logits, runs.labels)[:, -1]
    paired = paired_difference(right, correct_answers(runs.logits, runs.labels)[:, -1])
    return SparsityRow(
        part, method, num_steps, asked, zeros, int(right.sum()), 100 * paired.difference,
        100 * paired.low, 100 * paired.high,
    )  # fmt: skip
