"""A sparsity study as files: data and picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edgesim.ir.sparsity_study import SparsityStudy
from edgesim.pipeline.output import write_json, write_text
from edgesim.plot.pictures import save_picture
from edgesim.plot.sparsity import HEIGHT_INCHES, plot_sparsity


def write_sparsity_study(study: SparsityStudy, folder: Path, command: str) -> tuple[str, ...]:
    """Names of the written files: sparsity.json with `_meta`, sparsity.csv, the picture."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "sparsity.json", study.to_json(command))
    write_text(folder / "sparsity.csv", study.to_frame().to_csv(index=False, lineterminator="\n"))
    picture = "accuracy_by_sparsity.png"
    save_picture(folder / picture, HEIGHT_INCHES, partial(plot_sparsity, study))
    return ("sparsity.json", "sparsity.csv", picture)
