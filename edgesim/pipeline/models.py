"""Models by path or name: their traces, recorded workloads, and live recording.

A path that exists comes first: a zoo folder, a local Hugging Face folder, or a `.pt2` file; then
the name of a shipped model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.files import check_name
from edgesim.ir.activation_statistics import FILE_NAME as ACTIVATION_STATISTICS
from edgesim.ir.activation_statistics import ActivationStatistics
from edgesim.ir.optrace import OpTrace
from edgesim.ir.token_counts import FILE_NAME as TOKEN_COUNTS
from edgesim.ir.token_counts import load_token_counts
from edgesim.ir.trace_file import load_trace
from edgesim.ir.workload import Workload
from edgesim.numerics.formats import parse_format
from edgesim.paths import zoo_path
from edgesim.pipeline.lower import lower_model
from edgesim.pipeline.proof import proved

CONFIG = "config.json"
TRACE = "trace.npz"
WORKLOAD = "dev_workload.npz"
SELECTION = "selection_workload.npz"
TOKENIZER = "tokenizer.json"
EXPORTED = ".pt2"
SENTENCE_TRANSFORMERS = "modules.json"
HUGGING_FACE_SETTINGS = ("model_type", "architectures", "hidden_size", "dim", "vocab_size")
"""Settings of transformers of which a zoo model's config.json has none at its top."""


class ModelSource(Protocol):
    """A model that can be lowered; some can also read sentences."""

    @property
    def path(self) -> Path:
        """Folder or file."""

    @property
    def name(self) -> str:
        """The folder's or file's name."""

    def trace(self, arithmetic: str = "float32") -> OpTrace:
        """A stored trace, else the model lowered now; with zeros of activations in `chip`."""

    def lower(self, keep_output_projection: bool = False, prove: bool = True) -> OpTrace:
        """The trace of the stored weights, lowered now; see `edgesim.pipeline.lower`."""

    def executable(self, arithmetic: str = "float32") -> OpTrace:
        """The same with weight values; where it was calibrated, ranges of activations too."""

    def workload(self, arithmetic: str = "float32") -> Workload | None:
        """The workload that was recorded with the model; None where there is none."""

    def record(self, sentences: Path) -> Workload:
        """Run the model over a TSV of sentences; InputError where it cannot read text."""

    def module(self) -> Any:
        """The torch module; InputError where running it is not offered."""


@dataclass(frozen=True)
class ModelFolder:
    """A zoo folder: config, weights, tokenizer, and what was recorded from them."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def workload(self, arithmetic: str = "float32") -> Workload:
        """The workload that was recorded with the model, in an arithmetic if that was recorded."""
        own = self.workload_path(arithmetic)
        return Workload.load(own if own.is_file() else self.path / WORKLOAD)

    def workload_path(self, arithmetic: str) -> Path:
        """Where answers in an arithmetic other than float32 are kept."""
        return self.path / check_name(f"dev_workload_{arithmetic}.npz")

    def selection(self) -> Workload | None:
        """The selection slice with the predictor fitted on it; None where it was not recorded."""
        path = self.path / SELECTION
        return Workload.load(path) if path.is_file() else None

    def trace(self, arithmetic: str = "float32") -> OpTrace:
        """The stored trace; without one the model is lowered, which needs torch.

        Ranges of activations are those that were measured with the model. So are their zeros in
        `chip` arithmetic, where they arise; otherwise activations are dense.
        """
        stored = self.path / TRACE
        found = load_trace(stored) if stored.is_file() else self._lowered()
        return self._with_statistics(found, zeros=arithmetic == "chip")

    def executable(self, arithmetic: str = "float32") -> OpTrace:
        """The trace with the values of the stored weights; without a stored trace it is lowered.

        InputError where the stored trace is not of these weights.
        """
        from edgesim.compress.stored_weights import stored_weights

        trace = self.trace(arithmetic)
        if trace.values is not None:
            return trace
        values = stored_weights(self.path)
        names = sorted({name for op in trace.all_ops() for name in op.weights})
        for name in names:
            if not np.array_equal(trace.weight_mask(name), values.get(name, np.zeros(0)) != 0):
                raise InputError(
                    f"{self.path / TRACE}: {name} is not as the stored weights have it; write the "
                    f"trace anew: edgesim lower {self.path} -o {self.path / TRACE}"
                )
        return replace(trace, values={name: values[name] for name in names})

    def module(self) -> Any:
        """The stored weights, decoded, as a torch module."""
        from edgesim.compress.zoo import load_zoo_model

        return load_zoo_model(self.path)

    def lower(self, keep_output_projection: bool = False, prove: bool = True) -> OpTrace:
        """The trace of the stored weights, lowered now."""
        return self._with_statistics(self._lowered(keep_output_projection, prove), zeros=False)

    def _lowered(self, keep_output_projection: bool = False, prove: bool = True) -> OpTrace:
        from edgesim.compress.zoo_config import load_zoo_config

        config = load_zoo_config(self.path)
        counts: NDArray[np.int64] | None = None
        if (self.path / TOKEN_COUNTS).is_file():
            counts = load_token_counts(self.path / TOKEN_COUNTS)
        weight_format = config.weight_format.number_format.name
        return lower_model(
            self.module(), name=self.name, weight_format=weight_format, token_counts=counts,
            keep_output_projection=keep_output_projection, prove=prove,
        )  # fmt: skip

    def _with_statistics(self, trace: OpTrace, zeros: bool) -> OpTrace:
        """The trace with what was measured of the model's activations, if anything was."""
        path = self.path / ACTIVATION_STATISTICS
        if not path.is_file():
            return trace
        measured = ActivationStatistics.load(path)
        return (measured if zeros else measured.ranges()).applied(trace)

    def record(self, sentences: Path) -> Workload:
        """Run the model over a TSV of sentences: lengths, entropies, logits, labels."""
        from edgesim.compress.record import record
        from edgesim.compress.text import read_tsv
        from edgesim.compress.zoo import load_zoo_model, load_zoo_tokenizer
        from edgesim.compress.zoo_config import load_zoo_config

        text = read_tsv(sentences)
        config = load_zoo_config(self.path)
        model = load_zoo_model(self.path)
        tokenizer = load_zoo_tokenizer(self.path)
        recorded = record(
            model, tokenizer, text, name=sentences.stem, max_tokens=config.max_tokens,
            model_name=self.name,
        )  # fmt: skip
        selection = self.selection()
        return recorded if selection is None else replace(recorded, predictor=selection.predictor)

    def thresholds(self) -> dict[str, float]:
        """Exit thresholds by allowed loss in points, chosen on the selection slice."""
        from edgesim.compress.zoo_config import load_zoo_config

        return dict(load_zoo_config(self.path).thresholds_nats)


@dataclass(frozen=True)
class HuggingFaceFolder:
    """A folder of `save_pretrained`: config.json, weights, perhaps tokenizer.json."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    def module(self) -> Any:
        """The encoder, with its classifier or language-model head where it has one."""
        from edgesim.lowering.hugging_face import load_hugging_face

        return load_hugging_face(self.path).module

    def lower(self, keep_output_projection: bool = False, prove: bool = True) -> OpTrace:
        """The trace of the stored weights, lowered now, with notes on unused ones."""
        from edgesim.lowering.hugging_face import load_hugging_face

        loaded = load_hugging_face(self.path)
        trace = lower_model(
            loaded.module, name=self.name, keep_output_projection=keep_output_projection,
            prove=prove,
        )  # fmt: skip
        return replace(trace, notes=loaded.notes)

    def trace(self, arithmetic: str = "float32") -> OpTrace:
        """The same: nothing is stored in the folder."""
        return self.lower()

    def executable(self, arithmetic: str = "float32") -> OpTrace:
        """The same: lowering keeps weight values."""
        return self.lower()

    def workload(self, arithmetic: str = "float32") -> None:
        """Nothing is recorded in such a folder."""

    def record(self, sentences: Path) -> Workload:
        """Run the classifier over a TSV of sentences: lengths, logits, labels; no exits."""
        from edgesim.compress.record_classifier import record_classifier
        from edgesim.compress.text import load_tokenizer, read_tsv

        text = read_tsv(sentences)
        tokenizer = load_tokenizer(self.path / TOKENIZER)
        return record_classifier(
            self.module(), tokenizer, text, name=sentences.stem, model_name=self.name
        )


@dataclass(frozen=True)
class ExportedFile:
    """A `.pt2` file of `torch.export.save`; it is lowered, never run."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def module(self) -> Any:
        """Not offered: running it would compile source text from the file."""
        raise InputError(
            f"{self.path}: an exported file is lowered, not run; name a zoo or Hugging Face folder"
        )

    def lower(self, keep_output_projection: bool = False, prove: bool = True) -> OpTrace:
        """The trace of the exported program."""
        from edgesim.lowering.pt2 import lower_pt2

        lowered = lower_pt2(self.path, keep_output_projection=keep_output_projection)
        return proved(lowered) if prove else lowered.trace

    def trace(self, arithmetic: str = "float32") -> OpTrace:
        """The same: nothing is stored beside the program."""
        return self.lower()

    def executable(self, arithmetic: str = "float32") -> OpTrace:
        """The same: lowering keeps weight values."""
        return self.lower()

    def workload(self, arithmetic: str = "float32") -> None:
        """Nothing is recorded in such a file."""

    def record(self, sentences: Path) -> Workload:
        """Not offered: the file holds no tokenizer."""
        raise InputError(
            f"{self.path}: an exported file holds no tokenizer for {sentences}; run it with "
            "--pad-to N"
        )


def open_model(name: str | Path) -> ModelSource:
    """A model by path, else a shipped model by name; InputError where neither exists."""
    path = Path(name)
    if path.is_dir():
        return HuggingFaceFolder(path) if _is_hugging_face(path) else find_model(path)
    if path.is_file() and path.suffix == EXPORTED:
        return ExportedFile(path)
    if path.suffix == EXPORTED:
        raise InputError(f"{path}: no such file")
    return find_model(name)


def find_model(name: str | Path) -> ModelFolder:
    """A zoo folder by path, else a shipped model by name; InputError where neither exists."""
    path = Path(name)
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise InputError(f"{path}: no model folder, it lacks {CONFIG}")
        if _is_hugging_face(path):
            raise InputError(f"{path}: a Hugging Face folder, where a zoo folder is wanted")
        return ModelFolder(path)
    if path.exists():
        raise InputError(
            f"{path}: a file, where a zoo or Hugging Face folder, a {EXPORTED} file or the name "
            "of a model is wanted"
        )
    return ModelFolder(zoo_path(str(name)))


def _is_hugging_face(folder: Path) -> bool:
    """Whether config.json states what `save_pretrained` writes, and no zoo model does."""
    if (folder / SENTENCE_TRANSFORMERS).is_file():
        return True
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and not config.keys().isdisjoint(HUGGING_FACE_SETTINGS)


def open_trace(
    target: str | Path, arithmetic: str = "float32"
) -> tuple[OpTrace, ModelSource | None]:
    """A trace file, or a model with its trace for runs in an arithmetic."""
    path = Path(target)
    if path.suffix != EXPORTED and (path.is_file() or path.suffix == ".npz"):
        trace = load_trace(path)
        _check_formats(trace, path)
        return trace, None
    source = open_model(target)
    return source.trace(arithmetic), source


def _check_formats(trace: OpTrace, path: Path) -> None:
    """Refuse a trace file whose tensors are in formats that do not exist."""
    for tensor in trace.tensors.values():
        if tensor.number_format is not None:
            try:
                parse_format(tensor.number_format)
            except InputError as error:
                raise InputError(f"{path}: tensor {tensor.name}: {error}") from None


def module_of(target: str | Path) -> Any:
    """The torch module behind a model; None for a trace file, which has no weights."""
    path = Path(target)
    if path.suffix != EXPORTED and (path.is_file() or path.suffix == ".npz"):
        return None
    return open_model(target).module()
