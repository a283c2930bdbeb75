"""A local Hugging Face folder of the BERT family: its module, read without network or pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from edgesim.errors import InputError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
MODEL_TYPES = ("albert", "bert", "distilbert")
MOST_APPLICATIONS = 1000
"""Layers that an ALBERT may state."""
_WIDTHS = (
    "vocab_size", "hidden_size", "dim", "intermediate_size", "hidden_dim", "embedding_size",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
"""What config.json states of tensors."""
_CLASSIFIER = "ForSequenceClassification"
_ENCODER_ENDS = ("Model", "ForMaskedLM", "ForPreTraining")
"""Architectures of which the encoder is taken: a language-model head is left out."""


def load_hugging_face(folder: Path) -> nn.Module:
    """The module of a folder in float32 and evaluation mode: encoder, or encoder and classifier.

    An architecture with a language-model head gives its encoder alone, without a pooler where the
    file holds none. Raises InputError for another architecture, weights that are missing, sharded,
    pickled, damaged or do not fit config.json.
    """
    config = _config(folder)
    architecture = _architecture(folder, config)
    shapes = _weight_shapes(folder)
    _check_sizes(folder, config, shapes)
    options: dict[str, Any] = {}
    if not architecture.endswith(_CLASSIFIER) and not architecture.startswith("Distil"):
        options["add_pooling_layer"] = any("pooler." in name for name in shapes)
    from transformers import AutoModel, AutoModelForSequenceClassification

    loader: Any = AutoModel
    if architecture.endswith(_CLASSIFIER):
        loader = AutoModelForSequenceClassification
    with _quiet(), torch.random.fork_rng(devices=[]):
        try:
            model, report = loader.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, dtype=torch.float32,
                trust_remote_code=False, output_loading_info=True, **options,
            )  # fmt: skip
        except Exception as error:  # transformers raises nothing narrower
            reason = " ".join(str(error).split())[:160]
            raise InputError(
                f"{folder}: transformers cannot build {architecture} ({reason}); restore "
                f"{CONFIG_FILE} and {WEIGHTS_FILE}"
            ) from None
    _check_report(folder, architecture, report)
    module: nn.Module = model.eval()
    return module


def _config(folder: Path) -> dict[str, Any]:
    """The content of config.json."""
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: no readable JSON ({error}); restore the file") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: holds no JSON object; restore the file")
    return config


def _architecture(folder: Path, config: dict[str, Any]) -> str:
    """The class that config.json names; InputError unless it is one of the BERT family."""
    path = folder / CONFIG_FILE
    model_type = config.get("model_type")
    listed = config.get("architectures") or [f"{model_type} encoder without a stated class"]
    architecture = str(listed[0]) if isinstance(listed, list) else str(listed)
    ends = (_CLASSIFIER, *_ENCODER_ENDS, "encoder without a stated class")
    if model_type not in MODEL_TYPES or not architecture.endswith(ends):
        raise InputError(
            f"{path}: architecture {architecture!r} of type {model_type!r}; allowed are "
            f"{', '.join(MODEL_TYPES)} as encoder or for sequence classification"
        )
    return architecture


def _check_sizes(folder: Path, config: dict[str, Any], shapes: dict[str, list[int]]) -> None:
    """InputError where config.json states more layers or wider tensors than the file holds.

    Modules are built, and filled at random, before weights are looked for; applications of an
    ALBERT's layers need none.
    """
    modules = ("num_hidden_groups", "inner_group_num")
    if config["model_type"] != "albert":
        modules = ("num_hidden_layers", "n_layers")
    widest = max((size for shape in shapes.values() for size in shape), default=0)
    most = {"num_hidden_layers": MOST_APPLICATIONS, **dict.fromkeys(_WIDTHS, widest)}
    most |= dict.fromkeys(modules, len(shapes))
    for name, limit in most.items():
        stated = config.get(name)
        if isinstance(stated, int) and stated > limit:
            raise InputError(
                f"{folder / CONFIG_FILE}: {name} is {stated}; {WEIGHTS_FILE} has {len(shapes)} "
                f"tensors, none wider than {widest}; restore {CONFIG_FILE}"
            )


def _weight_shapes(folder: Path) -> dict[str, list[int]]:
    """Shapes of model.safetensors by name; InputError says what stands there instead."""
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        sharded = sorted(folder.glob("*.safetensors.index.json"))
        pickled = sorted(p.name for end in ("bin", "pt", "pth", "ckpt") for p in
                         folder.glob(f"*.{end}"))  # fmt: skip
        if sharded:
            found = "its weights are sharded"
        elif pickled:
            found = f"{pickled[0]} is a pickle, which may run code and is not read"
        else:
            found = "no weights are there"
        raise InputError(
            f"{path}: no such file; {found}; save the model in one file with "
            "save_pretrained(folder, max_shard_size='100GB')"
        )
    try:
        with safe_open(str(path), framework="pt") as stored:
            return {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged or no safetensors file ({error}); restore it") from None


def _check_report(folder: Path, architecture: str, report: Any) -> None:
    """Every parameter must come from the file: none may be left at random."""
    missing = sorted(str(name) for name in report["missing_keys"])
    wrong = sorted(str(name) for name in report["mismatched_keys"])
    if missing or wrong:
        named = ", ".join((missing + wrong)[:3])
        raise InputError(
            f"{folder / WEIGHTS_FILE}: {len(missing)} parameters of {architecture} missing and "
            f"{len(wrong)} of another shape ({named}); restore the file"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and load reports of transformers; faults become errors here."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
