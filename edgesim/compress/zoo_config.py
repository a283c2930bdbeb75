"""The `config.json` of a zoo folder: what is needed, besides the weights, to run its model."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgesim.compress.steps import Name
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat

FORMAT_VERSION = 1
CONFIG_FILE = "config.json"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EncoderConfig(_Section):
    """The settings of a Hugging Face BERT or ALBERT encoder that its forward pass depends on."""

    model_type: Literal["bert", "albert"]
    vocab_size: Positive
    hidden_size: Positive
    num_hidden_layers: Positive
    num_attention_heads: Positive
    intermediate_size: Positive
    hidden_act: str
    max_position_embeddings: Positive
    type_vocab_size: Positive
    layer_norm_eps: float = Field(gt=0)
    hidden_dropout_prob: float = Field(ge=0, lt=1)
    attention_probs_dropout_prob: float = Field(ge=0, lt=1)
    pad_token_id: int | None = None
    embedding_size: Positive | None = None
    """ALBERT only, as are the next two."""
    num_hidden_groups: Positive | None = None
    inner_group_num: Positive | None = None

    @classmethod
    def of(cls, config: Any) -> EncoderConfig:
        """The settings of a transformers configuration object."""
        if config.model_type not in ("bert", "albert"):
            raise InputError(f"encoder of type {config.model_type!r}; the zoo holds bert, albert")
        return cls(**{name: getattr(config, name, None) for name in cls.model_fields})

    def transformers_config(self) -> Any:
        """The `BertConfig` or `AlbertConfig` with these settings."""
        from transformers import AlbertConfig, BertConfig

        settings = self.model_dump(exclude={"model_type"}, exclude_none=True)
        if self.pad_token_id is None:
            settings["pad_token_id"] = None
        return (BertConfig if self.model_type == "bert" else AlbertConfig)(**settings)


class WeightFormat(_Section):
    """AdaptivFloat<bits, exponent_bits>, one exponent bias per tensor."""

    bits: int = Field(ge=2, le=8)
    exponent_bits: int = Field(ge=1, le=5)

    @property
    def number_format(self) -> AdaptivFloat:
        """The format object."""
        return AdaptivFloat(self.bits, self.exponent_bits)


class StoredFile(_Section):
    """A file by name and checksum."""

    file: Name
    sha256: Sha256


class ZooConfig(_Section):
    """One model of the zoo."""

    format_version: Literal[1]
    name: Name
    encoder: EncoderConfig
    pooling: Literal["mean", "first"]
    num_labels: int = Field(ge=2)
    max_tokens: Positive
    """Longest sentence with special tokens."""
    weight_format: WeightFormat
    weights: StoredFile
    """Encoder layers and off-ramps, in the model's folder."""
    embeddings: StoredFile
    """Frozen embeddings, in the folder `shared` beside the model's folder."""
    tokenizer: StoredFile
    sharing: Literal["all", "ffn", "attention", "none"] | None = None
    """ALBERT only: what the applications of the layer have in common; absent is `all`."""
    spans: tuple[tuple[Positive | None, ...], ...] | None = None
    """Span of every head by attention module, heads that were turned off left out: a token sees
    those at a distance below the span; null sees the whole sentence. None: no head has a span."""
    thresholds_nats: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Exit threshold by the accuracy points that it may cost, chosen on the selection slice."""

    def to_json(self) -> str:
        """The file's text; same settings, same bytes."""
        content = self.model_dump(exclude_none=True)
        if self.spans is not None:
            content["spans"] = self.spans
        return json.dumps(content, indent=2) + "\n"


def load_zoo_config(folder: Path) -> ZooConfig:
    """Read and check a folder's config.json; InputError lists every fault with its dotted path."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise InputError(f"{folder}: no {CONFIG_FILE} there, so this is not a zoo model folder")
    try:
        return ZooConfig.model_validate_json(path.read_bytes().removeprefix(BOM_UTF8))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'file'}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InputError(f"{path}: {faults}") from None
