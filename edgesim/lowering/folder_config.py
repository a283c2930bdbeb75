"""config.json of a Hugging Face folder: which class it states, and an account of every setting.

A setting is honoured by the class that is built, is known to be without effect on one sentence in
evaluation mode, is named in a note, or is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.files import read_bounded_text

CONFIG_FILE = "config.json"
MOST_KIB = 4096
CLASS_PREFIXES = {"albert": "Albert", "bert": "Bert", "distilbert": "DistilBert"}
"""Model types that are read from folders, with what the names of their classes begin with."""
CLASS_ENDS = ("Model", "ForSequenceClassification", "ForMaskedLM")
MOST_APPLICATIONS = 1000
"""Layers that an ALBERT may state: no weights limit them."""
_OTHER_WAY = "or load the model in Python and give the module to es.lower"
_EVALUATED = frozenset((
    "architectures", "model_type", "transformers_version", "_name_or_path", "name_or_path", "dtype",
    "torch_dtype", "_commit_hash", "tokenizer_class", "finetuning_task", "task_specific_params",
    "prefix", "use_bfloat16", "tf_legacy_loss", "gradient_checkpointing", "output_past",
    "keys_to_ignore_at_inference", "bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id",
    "mask_token_id", "pad_token_id", "decoder_start_token_id", "initializer_range", "use_cache",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
    "classifier_dropout_prob", "dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout",
    "sinusoidal_pos_embds", "tie_weights_", "label2id", "id2label", "num_labels", "return_dict",
    "use_return_dict", "torchscript", "return_dict_in_generate", "output_scores",
    "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups",
    "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty",
    "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids",
    "num_return_sequences", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
    "cross_attention_hidden_size", "tie_encoder_decoder",
))  # fmt: skip
"""Settings of files, tokenizers, training, generation and containers: without effect here."""
_BUILT_WITH = frozenset(("label2id", "id2label", "num_labels", "pad_token_id"))
"""Those of them that decide how many labels, or which modules, are built."""
_OTHER_OUTPUTS = ("output_hidden_states", "output_attentions")
_LOWERED: dict[str, tuple[Any, str]] = {
    "auto_map": ({}, "code that comes with a folder is not run; remove it if transformers' own "
                 "class computes the same"),
    "quantization_config": ({}, "packed weights are not read; save the model after "
                            "model.dequantize()"),
    "compression_config": ({}, "packed weights are not read; save the model decompressed"),
    "position_embedding_type": ("absolute", "relative positions are not lowered; lower a model "
                                "with absolute ones"),
    "is_decoder": (False, "the masked attention of a decoder is not lowered; state false if the "
                   "model is an encoder"),
    "add_cross_attention": (False, "cross-attention is not lowered; state false if the model is "
                            "an encoder"),
    "is_encoder_decoder": (False, "encoder-decoder models are not lowered; state false if the "
                           "model is an encoder"),
    "chunk_size_feed_forward": (0, "chunks of the feed-forward layers are not lowered; state 0, "
                                "which gives the same values"),
}  # fmt: skip
"""Settings that change what is computed: the value that is lowered, and what to do with others."""
_ATTENTIONS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal",
               "_attn_implementation_autoset")  # fmt: skip
_PLAIN_ATTENTIONS = ("eager", "sdpa", None, False, True)
"""Implementations that compute the same without other software, and the automatic choice."""


@dataclass(frozen=True)
class FolderConfig:
    """What config.json states, accounted for."""

    path: Path
    architecture: str
    """Class of transformers, such as `BertForSequenceClassification`."""
    is_stated: bool
    """Whether config.json names that class; else the encoder is taken."""
    model_type: str
    settings: Mapping[str, Any]
    """Settings that the class is built with."""
    pruned_heads: Mapping[int, tuple[int, ...]]
    """Heads that were taken out, by layer."""
    notes: tuple[str, ...]
    """Settings without a use, one line each."""

    def value(self, *names: str) -> Any:
        """The first of several settings that is stated; None where none is."""
        return next((self.settings[name] for name in names if name in self.settings), None)


def read_config(folder: Path) -> FolderConfig:
    """The account of config.json; InputError names what is missing, unknown or not lowered."""
    path = folder / CONFIG_FILE
    text = read_bounded_text(path, "settings of a Hugging Face model are wanted", MOST_KIB)
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no readable JSON ({error}); download or save it again") from None
    if not isinstance(stated, dict):
        raise InputError(f"{path}: holds no JSON object; download or save it again")
    model_type = _model_type(path, stated)
    _check_lowered(path, stated)
    architecture = _architecture(path, stated, model_type)
    known, aliases = _known_settings(model_type)
    _check_aliases(path, stated, aliases)
    unknown = sorted(set(stated) - known - _EVALUATED - {*_LOWERED, *_ATTENTIONS, "pruned_heads"})
    settings = {
        name: value for name, value in stated.items()
        if name in _BUILT_WITH or name in known - _EVALUATED - {*_OTHER_OUTPUTS, *_LOWERED}
    }  # fmt: skip
    is_stated = bool(stated.get("architectures"))
    notes = _notes(stated, unknown, architecture, is_stated)
    heads = _pruned_heads(path, stated.get("pruned_heads"))
    return FolderConfig(path, architecture, is_stated, model_type, settings, heads, notes)


def _model_type(path: Path, stated: Mapping[str, Any]) -> str:
    model_type = stated.get("model_type")
    if model_type is None:
        likely = _likely_type(stated)
        raise InputError(
            f'{path}: states no model_type; add "model_type": "{likely}" and "architectures": '
            f'["{CLASS_PREFIXES[likely]}Model"], or the class that was saved, if that is right'
        )
    if model_type not in CLASS_PREFIXES:
        classes = _names(stated.get("architectures"))
        raise InputError(
            f"{path}: architecture {classes} of type {model_type!r}; folders of type "
            f"{', '.join(CLASS_PREFIXES)} are read; load others in Python and give the module to "
            "es.lower"
        )
    return str(model_type)


def _likely_type(stated: Mapping[str, Any]) -> str:
    """The model type that the names of the settings suggest."""
    if "embedding_size" in stated:
        return "albert"
    return "distilbert" if "dim" in stated else "bert"


def _names(architectures: Any) -> str:
    listed = architectures if isinstance(architectures, list) else [architectures]
    return ", ".join(repr(name)[:60] for name in listed[:3])


def _architecture(path: Path, stated: Mapping[str, Any], model_type: str) -> str:
    """The class that config.json states, else the encoder; InputError for any other class."""
    prefix, listed = CLASS_PREFIXES[model_type], stated.get("architectures")
    if not listed:
        return f"{prefix}Model"
    allowed = [f"{prefix}{end}" for end in CLASS_ENDS]
    if not isinstance(listed, list) or len(listed) != 1 or listed[0] not in allowed:
        raise InputError(
            f"{path}: architecture {_names(listed)} of type {model_type!r}; allowed is one of "
            f"{', '.join(allowed)}; to lower the encoder alone, save it: transformers.{prefix}Model"
            f".from_pretrained({str(path.parent)!r}).save_pretrained(FOLDER)"
        )
    return str(listed[0])


def _check_lowered(path: Path, stated: Mapping[str, Any]) -> None:
    """InputError for settings that the built model would ignore or that are not lowered."""
    faults = []
    for name, (lowered, remedy) in _LOWERED.items():
        value = stated.get(name)
        if value is not None and (value != lowered or type(value) is not type(lowered)):
            faults.append(f"{name} is {_shown(value)}: {remedy}, {_OTHER_WAY}")
    for name in _ATTENTIONS:
        if not _is_plain_attention(stated.get(name)):
            faults.append(
                f"{name} is {_shown(stated[name])}: it needs other software than the model; "
                'remove it or state "sdpa", the weights stay the same'
            )
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}")


def _is_plain_attention(value: Any) -> bool:
    return isinstance(value, str | bool | None) and value in _PLAIN_ATTENTIONS


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _known_settings(model_type: str) -> tuple[set[str], dict[str, str]]:
    """Settings of transformers' configuration class, and its other names for some of them."""
    config = config_class(model_type)
    aliases = dict(config.attribute_map)
    return {*config().to_dict(), *aliases, *aliases.values()}, aliases


def config_class(model_type: str) -> Any:
    """The configuration class of transformers for a model type."""
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[model_type]


def _check_aliases(path: Path, stated: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
    for other, name in aliases.items():
        if other in stated and name in stated and stated[other] != stated[name]:
            raise InputError(
                f"{path}: {name} is {_shown(stated[name])} and {other}, another name of it, "
                f"{_shown(stated[other])}; keep the right one"
            )


def _pruned_heads(path: Path, stated: Any) -> dict[int, tuple[int, ...]]:
    """Heads by layer, as transformers 4 wrote them: {"0": [1, 2]}."""
    try:
        heads = {int(layer): _head_numbers(listed) for layer, listed in (stated or {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise InputError(
            f"{path}: pruned_heads is {_shown(stated)}; wanted are numbers of heads by layer, such "
            'as {"0": [1, 2]}'
        ) from None
    return {layer: numbers for layer, numbers in heads.items() if numbers}


def _head_numbers(listed: Any) -> tuple[int, ...]:
    if not isinstance(listed, list) or not all(type(head) is int for head in listed):
        raise TypeError
    return tuple(sorted(set(listed)))


def _notes(
    stated: Mapping[str, Any], unknown: list[str], architecture: str, is_stated: bool
) -> tuple[str, ...]:
    notes = []
    if not is_stated:
        notes.append(f"{CONFIG_FILE} states no architectures; taken as {architecture}, to which "
                     "every weight belongs")  # fmt: skip
    if unknown:
        notes.append(f"{CONFIG_FILE}: {architecture} has no setting {', '.join(unknown)}; without "
                     "effect")  # fmt: skip
    wanted = [name for name in _OTHER_OUTPUTS if stated.get(name)]
    if wanted:
        notes.append(f"{CONFIG_FILE}: {', '.join(wanted)} is left out; further outputs of the same "
                     "computation")  # fmt: skip
    problem = stated.get("problem_type")
    if problem not in (None, "single_label_classification"):
        notes.append(f"{CONFIG_FILE}: problem_type {_shown(problem)} is not used: an answer is the "
                     "largest logit")  # fmt: skip
    return tuple(notes)
