"""Models by name or path: their traces, recorded workloads, and live recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.optrace import OpTrace
from edgesim.ir.token_counts import FILE_NAME as TOKEN_COUNTS
from edgesim.ir.token_counts import load_token_counts
from edgesim.ir.trace_file import load_trace
from edgesim.ir.workload import Workload
from edgesim.paths import zoo_path

CONFIG = "config.json"
TRACE = "trace.npz"
WORKLOAD = "dev_workload.npz"


@dataclass(frozen=True)
class ModelFolder:
    """A zoo folder: config, weights, tokenizer, and what was recorded from them."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def workload(self) -> Workload:
        """The workload that was recorded with the model."""
        return Workload.load(self.path / WORKLOAD)

    def trace(self) -> OpTrace:
        """The stored trace; without one the model is lowered, which needs torch."""
        stored = self.path / TRACE
        return load_trace(stored) if stored.is_file() else self.lower()

    def lower(self) -> OpTrace:
        """The trace of the stored weights, lowered now."""
        from edgesim.compress.zoo import load_zoo_model
        from edgesim.compress.zoo_config import load_zoo_config
        from edgesim.lowering import lower

        config = load_zoo_config(self.path)
        model = load_zoo_model(self.path)
        counts: NDArray[np.int64] | None = None
        if (self.path / TOKEN_COUNTS).is_file():
            counts = load_token_counts(self.path / TOKEN_COUNTS)
        weight_format = config.weight_format.number_format.name
        return lower(model, name=self.name, weight_format=weight_format, token_counts=counts)

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
        return record(
            model, tokenizer, text, name=sentences.stem, max_tokens=config.max_tokens,
            model_name=self.name,
        )  # fmt: skip

    def thresholds(self) -> dict[str, float]:
        """Exit thresholds by allowed loss in points, chosen on the selection slice."""
        from edgesim.compress.zoo_config import load_zoo_config

        return dict(load_zoo_config(self.path).thresholds_nats)


def find_model(name: str | Path) -> ModelFolder:
    """A zoo folder by path, else a shipped model by name; InputError where neither exists."""
    path = Path(name)
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise InputError(f"{path}: no zoo folder, it lacks {CONFIG}")
        return ModelFolder(path)
    if path.exists():
        raise InputError(f"{path}: a file, where a zoo folder or the name of a model is wanted")
    return ModelFolder(zoo_path(str(name)))


def open_trace(target: str | Path) -> tuple[OpTrace, ModelFolder | None]:
    """A trace file, or a model with its trace."""
    path = Path(target)
    if path.is_file() or path.suffix == ".npz":
        return load_trace(path), None
    folder = find_model(target)
    return folder.trace(), folder


def lower_model(model: Any, example_inputs: Any = None, **options: Any) -> OpTrace:
    """The trace of a torch module; see `edgesim.lowering.lower`."""
    from edgesim.lowering import lower

    return lower(model, example_inputs, **options)
