"""A format study as files: data and pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edgesim.ir.format_study import FormatStudy
from edgesim.pipeline.output import write_json, write_text
from edgesim.plot.formats import HEIGHT_INCHES, plot_format_accuracy, plot_format_error
from edgesim.plot.pictures import save_picture


def write_format_study(study: FormatStudy, folder: Path, command: str) -> tuple[str, ...]:
    """Names of the written files: formats.json with `_meta`, formats.csv, pictures."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "formats.json", study.to_json(command))
    write_text(folder / "formats.csv", study.to_frame().to_csv(index=False, lineterminator="\n"))
    pictures = {"rms_error_by_format.png": plot_format_error}
    if study.num_sentences is not None:
        pictures["accuracy_by_format.png"] = plot_format_accuracy
    for name, draw in pictures.items():
        save_picture(folder / name, HEIGHT_INCHES, partial(draw, study))
    return ("formats.json", "formats.csv", *pictures)
