"""Answers of a model whose weights are altered for a moment, repeating only what changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesim.compress.multi_exit import MultiExitClassifier
from edgesim.compress.record import equal_length_rows, unpadded_logits
from edgesim.compress.text import LabelledText, tokenize
from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
from edgesim.compress.zoo_config import load_zoo_config
from edgesim.errors import InputError

WORD_TABLE = "encoder.embeddings.word_embeddings.weight"
RAMPS = "ramps."

Alterations = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Per parameter, flat indices and the values that stand there instead."""


@dataclass(frozen=True, eq=False)
class SentenceRuns:
    """A model over a fixed list of sentences, with what an unaltered pass gave."""

    model: MultiExitClassifier
    tokens: Sequence[NDArray[np.int64]]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    """(sentences, ramps, labels), unaltered."""
    ramp_inputs: NDArray[np.float32]
    """(sentences, ramps, width): the pooled states that the classifiers of the ramps read."""

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """All parameters by name."""
        return {k: v.detach().numpy() for k, v in self.model.state_dict().items()}

    def altered_logits(self, changes: Alterations) -> NDArray[np.float32]:
        """Logits of every ramp with weights replaced; the model is as before afterwards.

        Work is shared with the unaltered pass: none without a change, only the classifiers for
        off-ramp weights, only the sentences with altered rows for the word table.
        """
        real = {name: change for name, change in changes.items() if len(change[0])}
        if not real:
            return self.logits
        rows = self._affected(real)
        with altered(self.model, real):
            if all(name.startswith(RAMPS) for name in real):
                return self._ramp_logits()
            out = self.logits.copy()
            if len(rows):
                chosen = [self.tokens[row] for row in rows]
                out[rows] = unpadded_logits(self.model, chosen, quiet=True)
            return out

    def logits_with(self, weights: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits of every ramp with whole tensors replaced; the model is as before afterwards."""
        parameters: dict[str, Any] = dict(self.model.named_parameters())
        with ExitStack() as undo:
            for name, values in weights.items():
                undo.callback(setattr, parameters[name], "data", parameters[name].data)
                parameters[name].data = torch.from_numpy(np.ascontiguousarray(values))
            return unpadded_logits(self.model, self.tokens, quiet=True)

    def _affected(self, changes: Alterations) -> NDArray[np.int64]:
        if set(changes) != {WORD_TABLE}:
            return np.arange(len(self.tokens))
        rows, width = dict(self.model.named_parameters())[WORD_TABLE].shape
        is_changed = np.zeros(rows, dtype=bool)
        is_changed[changes[WORD_TABLE][0] // width] = True
        return np.flatnonzero([is_changed[ids].any() for ids in self.tokens])

    def _ramp_logits(self) -> NDArray[np.float32]:
        inputs = torch.from_numpy(self.ramp_inputs)
        ramps: list[Any] = list(self.model.ramps)
        with torch.inference_mode():
            logits = [ramp.classifier(inputs[:, i]) for i, ramp in enumerate(ramps)]
        return torch.stack(logits, dim=1).numpy()


@contextmanager
def altered(model: MultiExitClassifier, changes: Alterations) -> Iterator[None]:
    """The model with weights replaced in place; restored on leaving."""
    parameters: dict[str, Any] = dict(model.named_parameters())
    with ExitStack() as undo, torch.no_grad():
        for name, (elements, values) in changes.items():
            flat, index = parameters[name].data.view(-1), torch.from_numpy(elements)
            undo.callback(flat.index_copy_, 0, index, flat[index].clone())
            flat.index_copy_(0, index, torch.from_numpy(values))
        yield


def sentence_runs(
    model: MultiExitClassifier, tokens: Sequence[NDArray[np.int64]], labels: NDArray[np.int64]
) -> SentenceRuns:
    """Run the unaltered model once over the sentences and keep what later runs share."""
    pooled: list[list[NDArray[np.float32]]] = [[] for _ in model.ramps]
    ramps: list[Any] = list(model.ramps)
    with ExitStack() as hooks:
        for kept, ramp in zip(pooled, ramps, strict=True):
            handle = ramp.classifier.register_forward_hook(
                lambda module, inputs, output, kept=kept: kept.append(inputs[0].numpy())
            )
            hooks.callback(handle.remove)
        logits = unpadded_logits(model, tokens)
    stacked = np.stack([np.concatenate(parts) for parts in pooled], axis=1)
    inputs = np.empty_like(stacked)
    inputs[np.concatenate(list(equal_length_rows(tokens)))] = stacked
    return SentenceRuns(model, tokens, labels, logits, inputs)


def zoo_runs(folder: Path, text: LabelledText, source: str) -> SentenceRuns:
    """`sentence_runs` of a zoo model over labelled text; `source` names the text in messages."""
    return labelled_runs(folder, load_zoo_model(folder), text, source)


def labelled_runs(
    folder: Path, model: MultiExitClassifier, text: LabelledText, source: str
) -> SentenceRuns:
    """`sentence_runs` of a model with the tokenizer of a zoo folder; InputError without labels."""
    if text.labels is None:
        raise InputError(f"{source}: no column 'label'; accuracy needs labels")
    text.check_labels(model.num_labels, source)
    max_tokens = load_zoo_config(folder).max_tokens
    tokens = tokenize(load_zoo_tokenizer(folder), text, max_tokens)
    return sentence_runs(model, tokens, text.labels)
