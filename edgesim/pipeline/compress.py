"""Training a recipe and lowering what comes out; evaluating a stored model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.hw.loader import load_chip
from edgesim.ir.activation_statistics import FILE_NAME as STATISTICS
from edgesim.ir.activation_statistics import ActivationStatistics
from edgesim.ir.request import SOUND
from edgesim.ir.trace_file import save_trace
from edgesim.ir.workload import Workload
from edgesim.pipeline.arithmetic import answered
from edgesim.pipeline.calibrate import calibrate, selection_origin
from edgesim.pipeline.models import TRACE, ModelFolder, find_model

CHIP = "edgebert-n16"
"""In whose arithmetic a new model's zeros are counted and its dev set is answered."""


@dataclass(frozen=True)
class CompressOutcome:
    """A finished zoo folder, with trace and ranges of activations."""

    folder: Path
    evaluation: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """One line for a terminal."""
        return "model, trace, calibration, recorded dev workloads and card written"


def compress_and_lower(
    recipe: Path, *, data_dir: Path | None, base: Path | None, out_dir: Path | None,
    work_dir: Path | None, smoke_run: bool,
) -> CompressOutcome:  # fmt: skip
    """Train a recipe to its zoo folder and store what runs need beside the weights.

    That is the op trace, the ranges and zeros of activations over the selection slice, and the
    dev set's answers in the chip's arithmetic.
    """
    from edgesim.compress.recipe import load_recipe

    load_recipe(recipe)  # a wrong recipe is told before torch is loaded
    from edgesim.compress.recipe_run import compress_recipe

    done = compress_recipe(
        recipe, data_dir=data_dir, base=base, out_dir=out_dir, work_dir=work_dir,
        smoke_run=smoke_run,
    )  # fmt: skip
    folder = ModelFolder(done.folder)
    (folder.path / STATISTICS).unlink(missing_ok=True)
    save_trace(folder.lower(), folder.path / TRACE)
    assert done.selection.token_ids is not None
    origin = selection_origin(done.task, len(done.selection))
    _store_arithmetic(folder, done.selection.token_ids, origin, done.dev)
    return CompressOutcome(done.folder, done.evaluation)


def _store_arithmetic(
    folder: ModelFolder, selection: Sequence[Any], origin: str, dev: Workload
) -> None:
    """Calibrate on the selection slice, then answer the dev set in the chip's arithmetic."""
    chip = load_chip(CHIP)
    trace = calibrate(folder.executable(), selection, chip, origin)
    ActivationStatistics.of(trace).save(folder.path / STATISTICS)
    answers, _ = answered(trace, chip, dev, SOUND)
    assert answers is not None
    answers.save(folder.workload_path(SOUND))


def evaluate_model(model: str, data_dir: Path) -> tuple[Mapping[str, Any], str]:
    """Figures of a stored model on its task's dev rows, and the same as text."""
    from edgesim.compress.assessment import evaluate_zoo
    from edgesim.compress.card import dev_lines

    figures = evaluate_zoo(find_model(model).path, data_dir)
    return figures, "\n".join(dev_lines(figures))
