"""A toy task for `--smoke`: sentences from a tiny grammar, a tiny tokenizer, a tiny random base.

It proves that a recipe runs from end to end; its figures mean nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel
from transformers.utils import logging as transformers_logging

from edgesim.compress.recipe import BaseModelSource, Recipe, Stage
from edgesim.compress.steps import Embeddings
from edgesim.compress.text import LabelledText

STEPS = 20
NUM_TRAIN, NUM_DEV, NUM_SELECTION = 320, 48, 32
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SUBJECTS = ("film", "story", "cast", "script", "music", "ending", "director", "comedy", "drama")
DEGREES = ("very", "rather", "truly", "almost", "always", "never", "often", "hardly")
PRAISE = ("warm", "bright", "funny", "clever", "moving", "sharp", "fresh", "honest")
BLAME = ("dull", "flat", "tired", "clumsy", "cold", "hollow", "noisy", "stale")
GLUE = ("the", "is", "and", "its", "seems", "but", "not", ".")


def grammar_text(num: int, rng: np.random.Generator) -> LabelledText:
    """Sentences of 9 to 13 words, labelled 1 where they praise and 0 where they blame."""
    sentences: list[str] = []
    labels: NDArray[np.int64] = rng.integers(0, 2, size=num)
    for label in labels:
        words = PRAISE if label else BLAME
        subject, other = rng.choice(SUBJECTS, size=2, replace=False)
        first, second = rng.choice(words, size=2, replace=False)
        degree, extent = rng.choice(DEGREES, size=2, replace=False)
        tail = f"and its {other} seems {extent} {second}"
        if rng.random() < 0.3:
            tail += f" but not {extent}"
        sentences.append(f"the {subject} is {degree} {first} {tail} .")
    return LabelledText(tuple(sentences), labels)


def tiny_tokenizer() -> Tokenizer:
    """A word tokenizer over the grammar's vocabulary, with [CLS] and [SEP] around a sentence."""
    words = (*SPECIAL_TOKENS, *SUBJECTS, *DEGREES, *PRAISE, *BLAME, *GLUE)
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def write_tiny_base(folder: Path, max_tokens: int) -> None:
    """A random three-layer BERT of width 32 and the tiny tokenizer, as a Hugging Face folder."""
    transformers_logging.disable_progress_bar()
    tokenizer = tiny_tokenizer()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=max_tokens,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def smoke_recipe(recipe: Recipe) -> Recipe:
    """The recipe with the toy task and the toy base in place of its own."""
    task = recipe.task.model_copy(
        update={
            "name": "smoke", "num_selection": NUM_SELECTION, "num_labels": 2,
            "data_note": "sentences of a tiny grammar; the figures mean nothing.",
        }
    )  # fmt: skip
    base = BaseModelSource(hf_id="a random three-layer BERT of width 32", sha256="not checked")
    name = f"{recipe.name}-smoke"
    stages = tuple(_own_tables(stage) for stage in recipe.stages)
    return recipe.model_copy(update={"name": name, "task": task, "base": base, "stages": stages})


def _own_tables(stage: Stage) -> Stage:
    """The stage with embeddings pruned from the toy base where it takes those of a file."""
    tables = stage.embeddings
    if tables is None or tables.file is None:
        return stage
    pruned = Embeddings(prune_fraction=0.6, format=tables.format)
    return stage.model_copy(update={"embeddings": pruned})


def smoke_text(seed: int) -> tuple[LabelledText, LabelledText]:
    """Training and dev sentences of the toy task."""
    rng = np.random.default_rng(seed)
    return grammar_text(NUM_TRAIN, rng), grammar_text(NUM_DEV, rng)
