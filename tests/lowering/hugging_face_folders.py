"""Small folders of `save_pretrained` with a word-level tokenizer, made anew in every test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lower_models import VOCABULARY, build
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers.utils import logging

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "film", "dull", "and", "long")


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
