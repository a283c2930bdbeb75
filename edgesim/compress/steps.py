"""The steps that a stage of a recipe may take: distil, span, prune, quantise, exits, embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from edgesim.errors import EdgesimError
from edgesim.files import check_name
from edgesim.numerics import NumberFormat, parse_format

Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, AfterValidator(check_name)]
"""What becomes a file's or folder's name, and so can never lead out of a folder."""


class Section(BaseModel):
    """A part of a recipe: unknown keys are faults, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def known_format(name: str | None) -> str | None:
    """The name of a number format as it is written out; ValueError for an unknown one."""
    try:
        return None if name is None else parse_format(name).name
    except EdgesimError as error:
        raise ValueError(str(error)) from None


class Embeddings(Section):
    """Embedding tables: frozen; pruned and rounded once, or taken from a stored file of the zoo."""

    prune_fraction: Fraction | None = None
    """Share of the smallest magnitudes of the base's values set to zero, per table."""
    file: str | None = None
    """Stored tables, relative to the recipe's folder, in place of pruning: models that share one
    file share it in the accelerator's memory too. Its format is `format`."""
    sha256: str | None = None
    """Checksum of the file."""
    format: str | None = None
    """Number format of the tables; None takes the weight format of the stage, if any."""

    @model_validator(mode="after")
    def _one_source(self) -> Embeddings:
        if (self.prune_fraction is None) == (self.file is None):
            raise ValueError("give either prune_fraction or file")
        if self.file is not None and (self.sha256 is None or self.format is None):
            raise ValueError("a file needs its sha256 and its format")
        return self

    @field_validator("format")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return known_format(name)

    @property
    def number_format(self) -> NumberFormat | None:
        """The format, if one is named."""
        return None if self.format is None else parse_format(self.format)


class Albert(Section):
    """An ALBERT in place of the BERT of the stage before, initialised from it."""

    sharing: Literal["all", "ffn", "attention", "none"] = "all"
    """What the applications of the layer have in common."""
    applications: int = Field(default=12, ge=1)
    """How often a layer is applied, each with an off-ramp behind it."""
    embedding_size: int = Field(default=128, ge=1)
    """Width of the factorised embedding tables."""
    init_layer: int = Field(default=3, ge=1)
    """BERT layer, from 1, whose weights the shared parts take."""


class Distil(Section):
    """Distillation from an earlier stage of the chain (Hinton et al., 2015)."""

    teacher: str
    """Name of the earlier stage."""
    weight: Fraction
    """Share of the soft loss; the rest is cross entropy with the labels."""
    temperature: float = Field(gt=0)
    hidden: float = Field(default=0.0, ge=0)
    """Factor of the mean squared error between hidden states of student and teacher."""


class Span(Section):
    """Adaptive attention span: one z per head over token distance.

    The mask clip((R + z - x) / R, 0, 1) of the distance x multiplies the exponentials of the
    softmax, so that z = -R turns a head off (after Sukhbaatar et al., 2019). At `harden` each head
    takes its whole distance max(0, ceil(z + R)) and the ramp becomes a step.
    """

    ramp: int = Field(ge=1)
    """R, tokens over which the mask falls from 1 to 0."""
    max_span: int = Field(ge=1)
    """S_max, the largest z."""
    initial: float = Field(ge=0)
    """z of every head at the start."""
    penalty: float = Field(ge=0)
    """Factor of the mean z in the loss, per token."""
    learning_rate: float = Field(gt=0)
    """Of z, in tokens; it follows the stage's warm-up and decay."""
    heads_off: Fraction | None = None
    """Share of all heads that end turned off: those of smallest z, on the cubic schedule up to
    `harden`. At least one head of a layer stays. None leaves it to the penalty."""
    harden: Fraction = 0.7
    """Share of the stage's steps after which the spans are whole numbers and stay."""


class Prune(Section):
    """Pruning of the encoder matrices on the cubic schedule (Zhu and Gupta, 2017).

    `magnitude` keeps the largest weights, `movement` the largest learned scores (Sanh et al.,
    2020), both straight through per matrix; `soft_movement` keeps scores with sigmoid(S) above
    `threshold` under a penalty on sigmoid(S) that grows on the schedule.
    """

    method: Literal["magnitude", "movement", "soft_movement"]
    final_fraction: Fraction | None = None
    """Share of zeros per matrix at the end; soft movement finds its own."""
    start: Fraction
    """Share of the stage's steps before pruning starts."""
    end: Fraction
    """Share of the stage's steps after which the share of zeros stays."""
    score_learning_rate: float = Field(default=1e-2, gt=0)
    """Of the movement scores."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Soft movement only."""
    penalty: float = Field(default=0.0, ge=0)
    """Soft movement only: factor of the mean sigmoid(S) in the loss."""

    @model_validator(mode="after")
    def _fits(self) -> Prune:
        if self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        if self.method == "soft_movement":
            if self.final_fraction is not None:
                raise ValueError("soft_movement has no final_fraction; its penalty decides")
        elif self.final_fraction is None:
            raise ValueError(f"{self.method} needs final_fraction, the share of zeros at the end")
        return self


class Quantise(Section):
    """Rounding to number formats: in the forward pass with gradients straight through, or after."""

    weights: str
    """Format of every weight, such as adaptivfloat<8,3>; the parameter is each tensor's own."""
    activations: str | None = None
    """Format of every operand of a matrix product; its parameter is fixed per tensor, by the
    largest magnitude seen in the stage before `start`."""
    mode: Literal["training", "post_training"] = "training"
    """Rounding while the weights are trained, or once after the stage's last step."""
    start: Fraction = 0.0
    """Share of the stage's steps before rounding starts in training."""

    @field_validator("weights", "activations")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return known_format(name)

    @property
    def weight_format(self) -> NumberFormat:
        """The format of the weights."""
        return parse_format(self.weights)

    @property
    def activation_format(self) -> NumberFormat | None:
        """The format of the activations, if they are rounded."""
        return None if self.activations is None else parse_format(self.activations)


class Exits(Section):
    """How off-ramps are trained.

    `joint`: all ramps together with the encoder, losses weighted by layer index. `two-stage`
    (DeeBERT, Xin et al., 2020): the last ramp with the encoder up to `ramp_start`, then the other
    ramps on the frozen encoder.
    """

    mode: Literal["joint", "two-stage"] = "joint"
    ramp_start: Annotated[float, Field(ge=0, lt=1)] = 0.8
    """Two-stage only: share of the stage's steps for the encoder; with 0 it stays as it is."""
    ramp_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Two-stage only: of the other ramps; linear layers on fixed states bear more than an encoder.
    None takes the stage's."""
