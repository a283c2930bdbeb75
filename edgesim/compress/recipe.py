"""The recipe of a compressed model: a YAML file that names its base, data and training stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgesim.errors import InputError

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseModelSource(_Section):
    """The pretrained encoder that the recipe starts from."""

    hf_id: str
    """Hugging Face id; looked for in the local cache, never downloaded."""
    sha256: str
    """Checksum of its model.safetensors."""
    package: str | None = None
    """A Python package that carries the same files under its folder `model`."""
    licence: str | None = None
    """Licence of the base's weights, for the card."""


class Task(_Section):
    """The classification task and its text limits."""

    name: str
    """Folder below --data that holds train.tsv and dev.tsv."""
    data_note: str | None = None
    """Origin and licence of the text, for the card."""
    num_labels: int = Field(ge=2)
    max_tokens: int = Field(ge=8, le=512)
    """Longest sentence with special tokens; longer training rows are cut."""
    num_selection: int = Field(ge=1)
    """Rows of the selection slice."""
    selection_seed: int = 0


class Embeddings(_Section):
    """Embedding tables: frozen at the base's values, pruned and rounded once."""

    prune_fraction: Fraction
    """Share of the smallest magnitudes set to zero, per table."""


class Prune(_Section):
    """Magnitude pruning of the encoder matrices on the cubic schedule (Zhu and Gupta, 2017)."""

    method: Literal["magnitude"]
    final_fraction: Fraction
    """Share of zeros per matrix at the end."""
    start: Fraction
    """Share of the stage's steps before pruning starts."""
    end: Fraction
    """Share of the stage's steps after which the masks stay."""


class Distil(_Section):
    """Distillation from the final logits of an earlier stage (Hinton et al., 2015)."""

    teacher: str
    """Name of the earlier stage."""
    weight: Fraction
    """Share of the soft loss; the rest is cross entropy with the labels."""
    temperature: float = Field(gt=0)


class Quantise(_Section):
    """AdaptivFloat rounding of every weight in the forward pass, gradients straight through."""

    format_bits: int
    exponent_bits: int
    start: Fraction
    """Share of the stage's steps before rounding starts."""


class Stage(_Section):
    """One run of the optimiser over the training rows."""

    name: str
    epochs: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup: Fraction = 0.06
    weight_decay: float = Field(default=0.01, ge=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the matrix products in training; evaluation is always float32."""
    embeddings: Embeddings | None = None
    prune: Prune | None = None
    quantise: Quantise | None = None
    distil: Distil | None = None


class Recipe(_Section):
    """All that rebuilds a model, given its base and its data."""

    name: str
    base: BaseModelSource
    task: Task
    pooling: Literal["mean", "first"]
    exits: Literal["joint"]
    """Off-ramps are trained together with the encoder; ramp losses are weighted by layer index."""
    seed: int
    stages: tuple[Stage, ...] = Field(min_length=1)
    notes: str | None = None
    """What else a reader of the card must know."""


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe; InputError lists every fault with its dotted path."""
    if not path.is_file():
        raise InputError(f"{path}: no such recipe file")
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise InputError(f"{path}: {faults}") from None
