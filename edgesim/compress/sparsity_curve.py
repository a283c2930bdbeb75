"""Accuracy by share of zeros: embeddings pruned at once, encoder matrices pruned in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.altered_weights import WORD_TABLE, SentenceRuns
from edgesim.compress.evaluate import correct_answers
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.pruning import magnitude_mask
from edgesim.compress.recipe import Stage
from edgesim.compress.short_runs import short_run, steps_stage
from edgesim.compress.steps import Prune
from edgesim.compress.training import TrainingSet
from edgesim.ir.sparsity_study import SparsityRow
from edgesim.statistics import paired_difference


def embedding_rows(runs: SentenceRuns, fractions: Sequence[float]) -> Iterator[SparsityRow]:
    """The word table with the smallest magnitudes set to zero; nothing is trained."""
    table = torch.from_numpy(runs.weights()[WORD_TABLE])
    for fraction in fractions:
        pruned = (table * magnitude_mask(table, fraction)).numpy()
        logits = runs.logits_with({WORD_TABLE: pruned})
        zeros = float((pruned == 0).mean())
        yield _row("embedding", "magnitude", 0, fraction, zeros, runs, logits)


@dataclass(frozen=True)
class PruningRun:
    """How the encoder is trained while it is pruned; the same for every method and share."""

    num_steps: int
    seed: int = 1
    batch_size: int = 64
    learning_rate: float = 1e-4
    start: float = 0.05
    """Share of the steps before zeros grow, on the cubic schedule."""
    end: float = 0.7
    """Share of the steps after which they stay."""

    def stage(self, name: str, num_rows: int, prune: Prune | None) -> Stage:
        """The stage of one row."""
        return steps_stage(
            name, self.num_steps, self.batch_size, num_rows, learning_rate=self.learning_rate,
            prune=prune,
        )  # fmt: skip


def unpruned_runs(
    start: MultiExitClassifier, rows: TrainingSet, run: PruningRun, runs: SentenceRuns,
    work: Path | None = None,
) -> SentenceRuns:  # fmt: skip
    """`runs` with the logits of a copy of `start` that is trained alike and not pruned."""
    stage = run.stage("unpruned", len(rows.tokens), None)
    done = short_run(start, stage, run.num_steps, rows, run.seed, [runs.tokens], work)
    return replace(runs, logits=done.logits[0])


def encoder_rows(
    start: MultiExitClassifier, runs: SentenceRuns, rows: TrainingSet, methods: Sequence[str],
    fractions: Sequence[float], run: PruningRun, work: Path | None = None,
) -> Iterator[SparsityRow]:  # fmt: skip
    """Copies of `start`, each trained while its encoder is pruned, against the logits of `runs`.

    All see the same batches; off-ramps are trained jointly. Rows that the work folder holds are
    taken from there.
    """
    for method in methods:
        for fraction in fractions:
            prune = Prune.model_validate(
                {
                    "method": method, "final_fraction": fraction, "start": run.start,
                    "end": run.end,
                }
            )  # fmt: skip
            stage = run.stage(f"{method}-{fraction:g}", len(rows.tokens), prune)
            done = short_run(start, stage, run.num_steps, rows, run.seed, [runs.tokens], work)
            yield _row(
                "encoder", method, run.num_steps, fraction, done.zero_fraction, runs,
                done.logits[0],
            )  # fmt: skip


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
