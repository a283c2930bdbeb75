"""What a lowered trace is held against: the module, or exported program, run on sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import ExportedProgram

from edgesim.errors import LoweringError
from edgesim.lowering.example import ExampleInputs
from edgesim.lowering.module_run import run_program

_SEED = 512


@dataclass(frozen=True, eq=False)
class Sentence:
    """One sentence for the module and for the trace."""

    arguments: Mapping[str, Any]
    """Of the forward."""
    tokens: NDArray[Any]
    """Token ids, (S,), or the input tensor, (S, width)."""
    token_types: NDArray[np.int64] | None
    """(S,); None where the forward takes none that differ within a sentence."""

    @property
    def num_tokens(self) -> int:
        """Length of the sentence."""
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class Reference:
    """The module behind a trace."""

    name: str
    """Class of the module."""
    run: Callable[[Mapping[str, Any]], list[Tensor]]
    """Tensors that the module returns in float32 for the arguments of its forward."""
    program: ExportedProgram
    example: ExampleInputs
    origins: Mapping[str, tuple[str, str]]
    """Op name to the call of the graph that it ends, and the path of the module around it."""
    special_ids: frozenset[int] = field(default=frozenset())
    """Token ids that random sentences leave out."""

    def given(self, vocabulary: int | None) -> Sentence:
        """The caller's sentence; random tokens where none were given."""
        if self.example.made_up:
            return self.random(self.example.num_tokens, vocabulary)
        return self._sentence(dict(self.example.arguments))

    def random(self, num_tokens: int, vocabulary: int | None) -> Sentence:
        """A random sentence, the caller's other arguments cut or continued to its length."""
        example = self.example
        arguments = example.at(num_tokens)
        rng = np.random.default_rng(_SEED + num_tokens)
        shape = tuple(arguments[example.token_ids].shape)
        if vocabulary is None:
            values = rng.standard_normal(shape, dtype=np.float32)
            arguments[example.token_ids] = torch.from_numpy(values)
        else:
            allowed = np.setdiff1d(np.arange(vocabulary), sorted(self.special_ids))
            ids = rng.choice(allowed if len(allowed) else np.arange(vocabulary), shape)
            arguments[example.token_ids] = torch.from_numpy(ids.astype(np.int64))
        return self._sentence(arguments)

    def _sentence(self, arguments: dict[str, Any]) -> Sentence:
        tokens = arguments[self.example.token_ids]
        if self.example.input_shape is None:
            rows = tokens.reshape(-1).numpy()
        else:
            rows = tokens.reshape(-1, tokens.shape[-1]).numpy()
        types = None
        if self.example.token_types is not None:
            types = arguments[self.example.token_types].reshape(-1).numpy().astype(np.int64)
        return Sentence(arguments, rows, types)

    def outputs(self, sentence: Sentence) -> list[NDArray[np.float32]]:
        """Tensors that the module returns; LoweringError for NaN or infinity among them."""
        arrays = [_array(tensor) for tensor in self.run(sentence.arguments)]
        broken = [i for i, array in enumerate(arrays) if not np.isfinite(array).all()]
        if broken:
            raise LoweringError(
                f"{self.name}: output {broken[0]} holds NaN or infinity for a sentence of "
                f"{sentence.num_tokens} tokens; a mask may hide all of it: give the arguments of "
                "a sentence that the model can answer"
            )
        return arrays

    def calls(self, sentence: Sentence) -> tuple[dict[str, NDArray[np.float32]], list[Any]]:
        """Sorted elements of the result of every call that ends an op, and the graph's outputs."""
        wanted = {call for call, _ in self.origins.values()}
        values: dict[str, NDArray[np.float32]] = {}

        def keep(name: str, value: Any) -> None:
            if name in wanted and isinstance(value, Tensor):
                values[name] = np.sort(_array(value), axis=None)

        outputs = run_program(self.program, sentence.arguments, keep)
        return values, [_array(tensor) for tensor in outputs]


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().to("cpu", torch.float32).numpy()
    return array
