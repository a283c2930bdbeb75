"""Training a recipe and lowering what comes out; evaluating a stored model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.ir.trace_file import save_trace
from edgesim.pipeline.models import TRACE, ModelFolder, find_model


@dataclass(frozen=True)
class CompressOutcome:
    """A finished zoo folder, trace included."""

    folder: Path
    evaluation: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """One line for a terminal."""
        return "model, trace, recorded dev workload and card written"


def compress_and_lower(
    recipe: Path, *, data_dir: Path | None, base: Path | None, out_dir: Path | None,
    work_dir: Path | None, smoke_run: bool,
) -> CompressOutcome:  # fmt: skip
    """Train a recipe to its zoo folder and store the op trace beside the weights."""
    from edgesim.compress.recipe_run import compress_recipe

    done = compress_recipe(
        recipe, data_dir=data_dir, base=base, out_dir=out_dir, work_dir=work_dir,
        smoke_run=smoke_run,
    )  # fmt: skip
    save_trace(ModelFolder(done.folder).lower(), done.folder / TRACE)
    return CompressOutcome(done.folder, done.evaluation)


def evaluate_model(model: str, data_dir: Path) -> tuple[Mapping[str, Any], str]:
    """Figures of a stored model on its task's dev rows, and the same as text."""
    from edgesim.compress.assessment import evaluate_zoo
    from edgesim.compress.card import dev_lines

    figures = evaluate_zoo(find_model(model).path, data_dir)
    return figures, "\n".join(dev_lines(figures))
