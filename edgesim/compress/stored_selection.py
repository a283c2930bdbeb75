"""The text of a zoo model's selection slice, by the row numbers that its folder holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgesim.compress.recipe import load_recipe
from edgesim.compress.text import LabelledText, read_tsv
from edgesim.errors import InputError
from edgesim.files import read_lines
from edgesim.units import whole_number

SELECTION_ROWS = "selection_rows.txt"


def stored_selection(folder: Path, data_dir: Path) -> tuple[LabelledText, str]:
    """The slice from DATA/task/train.tsv, and the task's name.

    Raises InputError for missing text or row numbers that the text does not have.
    """
    task = load_recipe(folder / "recipe.yaml").task.name
    train = read_tsv(data_dir / task / "train.tsv")
    rows = _selection_rows(folder / SELECTION_ROWS)
    if rows.max(initial=0) >= len(train):
        raise InputError(
            f"{folder / SELECTION_ROWS}: row {int(rows.max())} of {len(train)} rows of "
            f"{data_dir / task / 'train.tsv'}; this is not the text that the model was trained on"
        )
    return train.take(rows), task


def _selection_rows(path: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = []
    for number, line in read_lines(path, "a row number a line; restore the file"):
        row = whole_number(line.strip(" "))
        if row is None:
            raise InputError(f"{path}:{number}: {line[:60]!r} is no row number; restore the file")
        rows.append(row)
    return np.array(rows, dtype=np.int64)
