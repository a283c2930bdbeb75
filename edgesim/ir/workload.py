"""Workload: sentences as numbers. What makes a simulation input-dependent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.ir.predictor import ExitPredictor, read_table
from edgesim.ir.storage import content_hash, read_npz, write_npz

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Workload:
    """Sentences of a labelled set after a forward pass; holds no text.

    Stored token ids are sorted within each sentence: they tell which embedding rows are read, not
    what was written.
    """

    name: str
    num_tokens: NDArray[np.int64]
    """Tokens of each sentence with special tokens, (num_sentences,)."""
    entropies: NDArray[np.float64] | None
    """Entropy in nats at every off-ramp, (num_sentences, num_layers); None without off-ramps."""
    logits: NDArray[np.float32] | None
    """Logits of every off-ramp, (num_sentences, num_ramps, num_labels); one ramp without exits."""
    labels: NDArray[np.int64] | None
    """Correct label of each sentence; None where unknown."""
    token_ids: tuple[NDArray[np.int64], ...] | None = None
    """Token ids of each sentence, sorted unless `in_order`."""
    sentence_hashes: tuple[str, ...] = ()
    """First 16 hexadecimal digits of each sentence's SHA-256."""
    model: str = ""
    """Name of the model that produced entropies and logits."""
    arithmetic: str = "float32"
    """In which entropies and logits were computed."""
    predictor: ExitPredictor | None = None
    """Forecasts exits of the model from its entropy after layer 1; None where none was fitted."""
    profile: str = ""
    """Fingerprint of that arithmetic where it depends on the chip."""
    notes: tuple[str, ...] = ()
    """What that arithmetic could not hold, in words."""
    in_order: bool = False
    """Whether token ids stand as written, so that a trace can be executed on them."""

    def __post_init__(self) -> None:
        count = len(self.num_tokens)
        if count == 0:
            raise InputError(f"workload {self.name!r} holds no sentences")
        if int(np.min(self.num_tokens)) < 1:
            raise InputError(f"workload {self.name!r}: a sentence has no tokens")
        if self.predictor is not None and self.entropies is not None:
            self.predictor.check_layers(self.entropies.shape[1], f"workload {self.name!r}")
        for name in ("entropies", "logits", "labels", "token_ids"):
            column = getattr(self, name)
            if column is not None and len(column) != count:
                raise InputError(
                    f"workload {self.name!r}: {name} has {len(column)} rows, num_tokens {count}"
                )

    def __len__(self) -> int:
        return len(self.num_tokens)

    def content(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Header and arrays as they are stored, token ids sorted."""
        columns: dict[str, NDArray[Any]] = {"num_tokens": self.num_tokens}
        for name in ("entropies", "logits", "labels"):
            column = getattr(self, name)
            if column is not None:
                columns[name] = column
        if self.token_ids is not None:
            ids = np.concatenate([np.sort(ids) for ids in self.token_ids])
            columns["token_ids"] = ids.astype(np.int32)
        if self.predictor is not None:
            columns["predictor_first_entropies"] = self.predictor.first_entropies
            columns["predictor_forecasts"] = self.predictor.forecasts
        meta: dict[str, Any] = {
            "kind": "workload", "schema_version": SCHEMA_VERSION, "name": self.name,
            "model": self.model, "arithmetic": self.arithmetic,
            "sentence_hashes": list(self.sentence_hashes),
        }  # fmt: skip
        if self.predictor is not None:
            meta["predictor_origin"] = self.predictor.origin
        meta |= {"profile": self.profile} if self.profile else {}
        meta |= {"notes": list(self.notes)} if self.notes else {}
        return meta, columns

    def save(self, path: str | Path) -> None:
        """Write an .npz; the file appears whole or not at all."""
        write_npz(Path(path), *self.content())

    def content_hash(self) -> str:
        """SHA-256 of the stored content, compression aside."""
        return content_hash(*self.content())

    @classmethod
    def from_entropies(
        cls, path: str | Path, num_tokens: int, predictor: ExitPredictor | None = None
    ) -> Workload:
        """Entropies alone, from comma-separated rows of one sentence and columns of one layer.

        The form in which the EdgeBERT authors released theirs: no labels, so no accuracy, and
        every sentence of `num_tokens` tokens. InputError for anything else.
        """
        path = Path(path)
        table = read_table(path)
        if (table < 0).any():
            raise InputError(f"{path}: rows of finite entropies, at least 0 nats, are wanted")
        lengths = np.full(len(table), num_tokens, dtype=np.int64)
        return cls(path.stem, lengths, table, None, None, predictor=predictor)

    @classmethod
    def load(cls, path: str | Path) -> Workload:
        """Read what `save` wrote; InputError for a missing, damaged or foreign file."""
        meta, columns = read_npz(Path(path), "workload", SCHEMA_VERSION)
        num_tokens = columns["num_tokens"].astype(np.int64)
        token_ids = None
        if "token_ids" in columns:
            pieces = np.split(columns["token_ids"].astype(np.int64), np.cumsum(num_tokens)[:-1])
            token_ids = tuple(pieces)
        return cls(
            name=str(meta["name"]), num_tokens=num_tokens,
            entropies=columns.get("entropies"), logits=columns.get("logits"),
            labels=columns.get("labels"), token_ids=token_ids,
            sentence_hashes=tuple(meta["sentence_hashes"]), model=str(meta["model"]),
            arithmetic=str(meta["arithmetic"]), profile=str(meta.get("profile", "")),
            notes=tuple(meta.get("notes", ())), predictor=_stored_predictor(meta, columns),
        )  # fmt: skip


def _stored_predictor(
    meta: dict[str, Any], columns: dict[str, NDArray[Any]]
) -> ExitPredictor | None:
    if "predictor_first_entropies" not in columns or "predictor_forecasts" not in columns:
        return None
    rows, table = columns["predictor_first_entropies"], columns["predictor_forecasts"]
    return ExitPredictor(rows, table, str(meta.get("predictor_origin", "stored")))
