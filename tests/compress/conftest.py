"""Fixtures of the compression tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from edgesim.compress.recipe import Recipe
from edgesim.compress.smoke import tiny_tokenizer
from tests.compress.toy_models import toy_recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.model_validate(toy_recipe())


@pytest.fixture
def zoo_inputs(tmp_path: Path) -> dict[str, Path]:
    """Folder, shared folder and tokenizer path for a zoo model."""
    tokenizer = tmp_path / "tokenizer.json"
    tiny_tokenizer().save(str(tokenizer))
    root = tmp_path / "models"
    return {"folder": root / "toy", "shared_folder": root / "shared", "tokenizer_path": tokenizer}
