"""Finding shipped models and chips by name."""

from __future__ import annotations

import pytest

from edgesim.errors import InputError
from edgesim.paths import data_folder, data_names, zoo_path


def test_the_shipped_model_is_found_by_name() -> None:
    assert (zoo_path("minilm-sst2-ee") / "recipe.yaml").is_file()


def test_the_shared_embeddings_are_no_model() -> None:
    assert "shared" not in data_names("models")
    with pytest.raises(InputError, match="no shipped model named 'shared'"):
        zoo_path("shared")


def test_a_misspelt_model_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'minilm-sst2-ee'"):
        zoo_path("minilm-sst2")


@pytest.mark.parametrize("name", ["../models/minilm-sst2-ee", "", "."])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(InputError, match="no shipped model"):
        zoo_path(name)


def test_only_models_and_chips_are_shipped() -> None:
    with pytest.raises(InputError, match="models, hwconfigs"):
        data_folder("secrets")
