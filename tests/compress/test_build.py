"""Reading a task and running its stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgesim.compress.build import load_stage, load_task, split_task, train_recipe
from edgesim.compress.recipe import Recipe
from edgesim.compress.smoke import smoke_text, write_tiny_base
from edgesim.errors import InputError


def test_a_task_without_labels_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "toy" / f"{name}.tsv").write_text("sentence\nthe film is dull\n")
    with pytest.raises(InputError, match=r"train\.tsv: no column 'label'"):
        load_task(recipe, tmp_path)


def test_a_missing_data_folder_is_one_error(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"toy/train\.tsv: no such file"):
        load_task(recipe, tmp_path)


def test_an_unknown_teacher_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    write_tiny_base(tmp_path / "base", recipe.task.max_tokens)
    only_last = recipe.model_copy(update={"stages": recipe.stages[1:]})
    data = split_task(recipe, *smoke_text(0))
    with pytest.raises(InputError, match="stage 'dense' has not been trained"):
        train_recipe(only_last, data, tmp_path / "base", tmp_path / "work", max_steps=2)


def test_the_work_folder_keeps_each_stage_and_no_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    write_tiny_base(tmp_path / "base", recipe.task.max_tokens)
    data = split_task(recipe, *smoke_text(0))
    work = tmp_path / "work"
    model = train_recipe(recipe, data, tmp_path / "base", work, max_steps=4)
    assert sorted(path.name for path in work.iterdir()) == [
        "compressed.progress.tsv", "compressed.safetensors", "dense.logits.npy",
        "dense.progress.tsv", "dense.safetensors",
    ]  # fmt: skip
    stored = load_stage(recipe, "compressed", tmp_path / "base", work)
    for (name, first), second in zip(model.named_parameters(), stored.parameters(), strict=True):
        assert np.array_equal(first.detach().numpy(), second.detach().numpy()), name
    assert len(np.load(work / "dense.logits.npy", allow_pickle=False)) == len(data.train)
