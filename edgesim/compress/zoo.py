"""Zoo folders: a compressed multi-exit model written to disk and read back, without pickle.

A folder holds config.json, model.safetensors and tokenizer.json. The frozen embeddings lie in a
file of their own under the folder `shared` beside it, named and referenced by SHA-256, so that
models of one base share them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.albert import share_parts
from edgesim.compress.files import read_checked
from edgesim.compress.head_removal import apply_spans, spans_of, without_idle_heads
from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.packed import pack
from edgesim.compress.recipe import Recipe
from edgesim.compress.stored_weights import SHARED_FOLDER, stored_weights
from edgesim.compress.zoo_config import (
    CONFIG_FILE,
    FORMAT_VERSION,
    EncoderConfig,
    StoredFile,
    WeightFormat,
    ZooConfig,
    load_zoo_config,
)
from edgesim.errors import InputError
from edgesim.numerics import AdaptivFloat
from edgesim.whole_file import write_whole

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
EMBEDDING_PREFIX = "encoder.embeddings."

Tensors = dict[str, NDArray[np.float32]]


def _split_state(model: MultiExitClassifier) -> tuple[Tensors, Tensors]:
    state = {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}
    embeddings = {k: v for k, v in state.items() if k.startswith(EMBEDDING_PREFIX)}
    return embeddings, {k: v for k, v in state.items() if k not in embeddings}


def _stored(prefix: str, content: bytes) -> StoredFile:
    digest = hashlib.sha256(content).hexdigest()
    name = f"{prefix}-{digest[:12]}.safetensors" if prefix == "embeddings" else prefix
    return StoredFile(file=name, sha256=digest)


def weight_format(recipe: Recipe) -> WeightFormat:
    """The format of the recipe's last stage; InputError where weights or tables keep float32."""
    quantise = recipe.stages[-1].quantise
    if quantise is None:
        raise InputError(
            f"recipe {recipe.name}: its last stage does not quantise, and the zoo stores "
            f"AdaptivFloat codes; give the last stage a `quantise` section"
        )
    if all(stage.embeddings is None for stage in recipe.stages):
        raise InputError(
            f"recipe {recipe.name}: no stage rounds the embeddings, and the zoo stores "
            f"AdaptivFloat codes; give a stage an `embeddings` section, such as prune_fraction: 0"
        )
    stored = quantise.weight_format
    if not isinstance(stored, AdaptivFloat) or not stored.name.startswith("adaptivfloat"):
        raise InputError(
            f"recipe {recipe.name}: its last stage rounds to {stored.name}, and the zoo stores "
            f"AdaptivFloat codes; name a format such as adaptivfloat<8,3>"
        )
    return WeightFormat(bits=stored.bits, exponent_bits=stored.exponent_bits)


def sharing_of(recipe: Recipe) -> Any:
    """What the layers of the recipe's ALBERT share; None where there is none to say."""
    made = [stage.albert for stage in recipe.stages if stage.albert is not None]
    return made[-1].sharing if made else None


def save_zoo_model(
    model: MultiExitClassifier, recipe: Recipe, folder: Path, shared_folder: Path,
    *, tokenizer_path: Path, thresholds_nats: Mapping[str, float] | None = None,
) -> ZooConfig:  # fmt: skip
    """Write a model whose weights are all in the recipe's AdaptivFloat format.

    `shared_folder` must be the folder `shared` beside `folder`. config.json is written last, so
    a folder cut short is not taken for a model. Raises InputError when a tensor is not exactly
    representable, holds NaN, or the encoder's settings do not survive the round trip.
    """
    if shared_folder.resolve() != (folder.parent / SHARED_FOLDER).resolve():
        raise InputError(f"{shared_folder}: embeddings must go to {folder.parent / SHARED_FOLDER}")
    stored_format = weight_format(recipe)
    stored_model = without_idle_heads(model)
    assert isinstance(stored_model, MultiExitClassifier)
    embeddings, rest = _split_state(stored_model)
    packed_embeddings = pack(embeddings, stored_format.number_format)
    packed_weights = pack(rest, stored_format.number_format)
    tokenizer = tokenizer_path.read_bytes()
    config = ZooConfig(
        format_version=FORMAT_VERSION,
        name=recipe.name,
        encoder=EncoderConfig.of(model.encoder.config),
        pooling=recipe.pooling,
        num_labels=model.num_labels,
        max_tokens=recipe.task.max_tokens,
        weight_format=stored_format,
        weights=_stored(WEIGHTS_FILE, packed_weights),
        embeddings=_stored("embeddings", packed_embeddings),
        tokenizer=_stored(TOKENIZER_FILE, tokenizer),
        sharing=sharing_of(recipe),
        spans=spans_of(stored_model, recipe.task.max_tokens),
        thresholds_nats=dict(thresholds_nats or {}),
    )
    _check_same_forward(model, build_model(config, embeddings | rest, str(folder)))
    for path in (folder, shared_folder):
        path.mkdir(parents=True, exist_ok=True)
    write_whole(shared_folder / config.embeddings.file, packed_embeddings)
    write_whole(folder / WEIGHTS_FILE, packed_weights)
    write_whole(folder / TOKENIZER_FILE, tokenizer)
    write_whole(folder / CONFIG_FILE, config.to_json().encode())
    return config


def _check_same_forward(model: MultiExitClassifier, rebuilt: MultiExitClassifier) -> None:
    settings: Any = model.encoder.config
    length = min(7, settings.max_position_embeddings)
    ids = torch.arange(length).remainder(settings.vocab_size).reshape(1, -1)
    with torch.inference_mode():
        first, second = model.eval()(ids, torch.ones_like(ids)), rebuilt(ids, torch.ones_like(ids))
    if not torch.allclose(first, second, rtol=1e-5, atol=1e-6):
        raise InputError(
            "the encoder has settings that a zoo folder cannot hold: the model built from its "
            "configuration gives other logits"
        )


def build_model(config: ZooConfig, tensors: Tensors, where: str) -> MultiExitClassifier:
    """The model of a configuration with the given float32 tensors, in evaluation mode.

    Raises InputError naming tensors that are missing, unknown or of another shape.
    """
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        encoder = AutoModel.from_config(
            config.encoder.transformers_config(),
            add_pooling_layer=False,
            attn_implementation="sdpa",
        )
        if config.sharing is not None:
            share_parts(encoder, config.sharing)
        model = MultiExitClassifier(encoder, config.num_labels, config.pooling)
        if config.spans is not None:
            apply_spans(model, config.spans, config.max_tokens)
    expected = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    faults = [f"{name} is missing" for name in sorted(expected.keys() - tensors.keys())]
    faults += [f"{name} is unknown" for name in sorted(tensors.keys() - expected.keys())]
    faults += [
        f"{name} has shape {tensors[name].shape}, wanted {shape}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if faults:
        raise InputError(f"{where}: weights do not fit config.json: {'; '.join(faults)}")
    state = {name: torch.from_numpy(value) for name, value in tensors.items()}
    model.load_state_dict(state, strict=False)  # buffers come from config.json
    encoder.embeddings.requires_grad_(False)
    return model.eval()


def load_zoo_model(folder: Path) -> MultiExitClassifier:
    """The model of a zoo folder with its weights decoded to float32, in evaluation mode.

    Raises InputError for a missing, truncated or changed file.
    """
    return build_model(load_zoo_config(folder), stored_weights(folder), str(folder))


def load_zoo_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a zoo folder, without truncation and padding."""
    from edgesim.compress.text import load_tokenizer

    config = load_zoo_config(folder)
    path = folder / config.tokenizer.file
    read_checked(path, config.tokenizer.sha256)
    return load_tokenizer(path)
