"""Small folders of `save_pretrained` with a word-level tokenizer, made for each test, and changes
to their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lower_models import VOCABULARY, build
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers.utils import logging

from edgesim.errors import InputError
from edgesim.lowering.hugging_face import load_hugging_face

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "film", "dull", "and", "long")
WEIGHTS = "model.safetensors"


def saved(model: Any, folder: Path, with_tokenizer: bool = False) -> Path:
    """The folder with the model in it."""
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if with_tokenizer:
        tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def built(name: str, folder: Path, with_tokenizer: bool = False) -> tuple[nn.Module, Path]:
    """A model of the collection and its folder."""
    model = build(name)
    return model, saved(model, folder, with_tokenizer)


def tokenizer() -> Tokenizer:
    """Words to ids, [CLS] and [SEP] around them."""
    assert len(WORDS) <= VOCABULARY
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def state(folder: Path, **settings: Any) -> None:
    """Change settings of config.json; None removes one."""
    path = folder / "config.json"
    stated = {**json.loads(path.read_text()), **settings}
    path.write_text(json.dumps({k: v for k, v in stated.items() if v is not None}))


def stored(folder: Path) -> dict[str, Tensor]:
    """Tensors of model.safetensors."""
    return load_file(folder / WEIGHTS)


def store(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Write model.safetensors with other tensors."""
    plain = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    save_file(plain, folder / WEIGHTS, metadata={"format": "pt"})


def rename(folder: Path, change: Callable[[str], str]) -> None:
    """Change the names of all tensors."""
    store(folder, {change(name): tensor for name, tensor in stored(folder).items()})


def refusal(folder: Path) -> str:
    """The one line with which a folder is refused."""
    with pytest.raises(InputError) as caught:
        load_hugging_face(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 900
    return text


def assert_equal_weights(loaded: nn.Module, model: nn.Module) -> None:
    """Every parameter of two modules is the same, and none more."""
    found, expected = dict(loaded.named_parameters()), dict(model.named_parameters())
    assert found.keys() == expected.keys()
    for name, parameter in expected.items():
        assert torch.equal(found[name], parameter), name
