"""Rounding error and accuracy without retraining, by number format and width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.ir.format_study import FormatRow, FormatStudy
from edgesim.numerics.rms_error import FAMILIES, WIDTHS, Choice, best_formats
from edgesim.pipeline.models import find_model
from edgesim.pipeline.output import write_json, write_text
from edgesim.statistics import paired_difference

if TYPE_CHECKING:
    from edgesim.compress.altered_weights import SentenceRuns

Weights = Mapping[str, NDArray[np.float32]]


def format_study(
    model: str | Path, *, weights_file: Path | None = None, data_dir: Path | None = None,
    widths: Sequence[int] = WIDTHS, every_parameter: bool = False,
) -> FormatStudy:  # fmt: skip
    """Round the weights of a model to every family and width, each tensor with a parameter.

    The weights are those of `weights_file`, such as a stage of the model's recipe leaves in its
    work folder, else those that the zoo stores. With `data_dir`, each row is run over
    DATA/task/dev.tsv too. A model may also be a safetensors file, for errors alone. Matrices are
    rounded; with `every_parameter` biases and layer-norm parameters too.
    """
    if not widths or min(widths) < 3 or max(widths) > 16:
        raise InputError(f"widths {list(widths)}: allowed are 3 to 16 bits")
    if Path(model).suffix == ".safetensors":
        return _file_study(Path(model), data_dir, widths, every_parameter)
    from edgesim.compress import stage_runs

    folder = find_model(model).path
    source = (
        stage_runs.zoo_weights(folder)
        if weights_file is None
        else stage_runs.file_weights(folder, weights_file)
    )
    weights = _chosen(source.tensors, every_parameter)
    runs = None
    if data_dir is not None:
        runs = stage_runs.dev_runs(folder, source.model, data_dir)
    notes = (_scope(every_parameter), *source.notes)
    if runs is not None:
        notes += stage_runs.agreement_note(folder, runs)
    rows = _rows(weights, widths, runs)
    return FormatStudy(
        weights=source.name, sha256=source.sha256, notes=notes, num_tensors=len(weights),
        num_weights=sum(tensor.size for tensor in weights.values()),
        text=None if data_dir is None else f"{stage_runs.task_name(folder)} dev",
        num_sentences=None if runs is None else len(runs.labels),
        correct=None if runs is None else int(_right(runs, runs.logits).sum()), rows=rows,
    )  # fmt: skip


def _file_study(
    path: Path, data_dir: Path | None, widths: Sequence[int], every_parameter: bool
) -> FormatStudy:
    """Errors of the float tensors in a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from edgesim.compress.files import file_sha256

    if data_dir is not None:
        raise InputError(f"{path}: a file of weights cannot be run; leave --data out")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: no readable safetensors file ({error})") from None
    weights = _chosen({k: v for k, v in tensors.items() if v.dtype.kind == "f"}, every_parameter)
    return FormatStudy(
        weights=path.name, sha256=file_sha256(path), notes=(_scope(every_parameter),),
        num_tensors=len(weights), num_weights=sum(t.size for t in weights.values()),
        text=None, num_sentences=None, correct=None, rows=_rows(weights, widths, None),
    )  # fmt: skip


def _chosen(tensors: Weights, every_parameter: bool) -> Weights:
    found = {name: t for name, t in tensors.items() if every_parameter or t.ndim >= 2}
    if not found:
        raise InputError("there is no float matrix among the weights")
    return found


def _scope(every_parameter: bool) -> str:
    rest = "biases and layer-norm parameters too" if every_parameter else (
        "biases and layer-norm parameters stay float32"
    )  # fmt: skip
    return (
        "every matrix is rounded (embedding tables, encoder products, off-ramp classifiers), one "
        f"parameter a tensor, {rest}; activations stay float32; nothing is retrained"
    )


def _rows(
    weights: Weights, widths: Sequence[int], runs: SentenceRuns | None
) -> tuple[FormatRow, ...]:
    total = len(FAMILIES) * len(widths)
    choices: Iterable[Choice] = best_formats(weights, widths)
    with tqdm(choices, total=total, desc="formats", unit="format", disable=None) as bar:
        return tuple(_row(choice, weights, runs) for choice in bar)


def _row(choice: Choice, weights: Weights, runs: SentenceRuns | None) -> FormatRow:
    measured: dict[str, Any] = dict.fromkeys(("correct", "points", "points_low", "points_high"))
    if runs is not None:
        rounded = {name: choice.quantise(tensor) for name, tensor in weights.items()}
        right = _right(runs, runs.logits_with(rounded))
        paired = paired_difference(right, _right(runs, runs.logits))
        measured = {
            "correct": int(right.sum()), "points": 100 * paired.difference,
            "points_low": 100 * paired.low, "points_high": 100 * paired.high,
        }  # fmt: skip
    return FormatRow(
        choice.family, choice.bits, choice.number_format, choice.rms_error,
        choice.relative_rms_error, **measured,
    )  # fmt: skip


def _right(runs: SentenceRuns, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which sentences the last ramp gets right."""
    from edgesim.compress.evaluate import correct_answers

    right: NDArray[np.bool_] = correct_answers(logits, runs.labels)[:, -1]
    return right


def write_format_study(study: FormatStudy, folder: Path, command: str) -> tuple[str, ...]:
    """Names of the written files: formats.json with `_meta`, formats.csv, pictures."""
    from edgesim.plot.formats import HEIGHT_INCHES, plot_format_accuracy, plot_format_error
    from edgesim.plot.pictures import save_picture

    folder.mkdir(exist_ok=True)
    write_json(folder / "formats.json", study.to_json(command))
    write_text(folder / "formats.csv", study.to_frame().to_csv(index=False, lineterminator="\n"))
    pictures = {"rms_error_by_format.png": plot_format_error}
    if study.num_sentences is not None:
        pictures["accuracy_by_format.png"] = plot_format_accuracy
    for name, draw in pictures.items():
        save_picture(folder / name, HEIGHT_INCHES, partial(draw, study))
    return ("formats.json", "formats.csv", *pictures)
