"""OpTrace: a lowered model as ops over named tensors. Holds weight bitmasks; needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.op import Op
from edgesim.ir.ops import Embedding
from edgesim.ir.proof import Proof
from edgesim.ir.size import Size

SCHEMA_VERSION = 1
TENSOR_CLASSES = ("embedding_weight", "encoder_weight", "offramp_weight", "activation")


@dataclass(frozen=True)
class Tensor:
    """Shape, class and number format of a tensor; the batch axis is left out."""

    name: str
    tensor_class: str
    """One of TENSOR_CLASSES."""
    shape: tuple[Size, ...]
    number_format: str | None = None
    """Such as `adaptivfloat<8,3>`; None takes the chip's native format at mapping."""
    density: float = 1.0
    """Share of non-zeros: counted for weights, measured or assumed 1.0 for activations."""
    null_vector_fraction: float | None = None
    """Activations only: measured share of all-zero vectors at the calibration's vector size."""
    largest: float | None = None
    """Activations only: largest magnitude over the calibration set, which exponent biases and
    scales follow; None where it was not calibrated."""

    def num_elements(self, num_tokens: int) -> int:
        """Elements for a sentence of `num_tokens` tokens."""
        count = 1
        for size in self.shape:
            count *= size.at(num_tokens)
        return count

    def dims(self, num_tokens: int) -> tuple[int, ...]:
        """The shape for a sentence of `num_tokens` tokens."""
        return tuple(size.at(num_tokens) for size in self.shape)


@dataclass(frozen=True)
class Layer:
    """One encoder layer: its ops in order and, where the model has one, its off-ramp."""

    index: int
    """1-based."""
    ops: tuple[Op, ...]
    ramp: tuple[Op, ...] = ()
    """Ops of the off-ramp, from pooling to exit check; empty without off-ramp."""


@dataclass(frozen=True, eq=False)
class OpTrace:
    """A lowered model. Shared layers name the same weight tensors.

    `masks` holds, per weight tensor with zeros, `numpy.packbits` of its row-major non-zero mask;
    a weight without an entry is dense. `values` holds the float32 weights while the trace stays
    in memory; a saved trace has none.
    """

    name: str
    model_class: str
    """Class of the lowered module, such as `MultiExitClassifier(BertModel)`."""
    prologue: tuple[Op, ...]
    """The embedding, or the input tensor of a model without one."""
    layers: tuple[Layer, ...]
    epilogue: tuple[Op, ...]
    """Ops after the last layer that belong to no off-ramp, such as pooler and classifier."""
    tensors: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    """Tensors that the module returned: logits of every ramp, or the model's output."""
    max_tokens: int
    masks: Mapping[str, NDArray[np.uint8]]
    activation_statistics: str | None = None
    """Where activation densities come from; None means assumed dense."""
    zeros_profile: str | None = None
    """Fingerprint of the arithmetic in which they were counted; None where none is named."""
    zeros_vector_size: int | None = None
    """Vector size at which null vectors were counted."""
    calibration: str | None = None
    """Over which sentences the largest activations were found; None where they were not."""
    token_counts: NDArray[np.int64] | None = None
    """Occurrences of each token id in training text, for placing frequent rows first."""
    values: Mapping[str, NDArray[np.float32]] | None = field(default=None, repr=False)
    proof: Proof | None = field(default=None, repr=False)
    """That the trace computes what its module does; None where nobody has compared them. Saved
    with the trace, no part of its content hash."""
    notes: tuple[str, ...] = ()
    """Lines on what of the model's files is not in the trace; no part of its content hash."""
    schema_version: int = SCHEMA_VERSION

    @property
    def num_layers(self) -> int:
        """Encoder layer applications."""
        return len(self.layers)

    @cached_property
    def has_exits(self) -> bool:
        """Whether every layer has an off-ramp."""
        return bool(self.layers) and all(layer.ramp for layer in self.layers)

    def all_ops(self) -> Iterator[Op]:
        """Every op in execution order, off-ramps behind their layers."""
        yield from self.prologue
        for layer in self.layers:
            yield from layer.ops
            yield from layer.ramp
        yield from self.epilogue

    @cached_property
    def placed_weights(self) -> Mapping[str, str | None]:
        """Every weight beside embedding tables, in execution order, with the bias of a product."""
        found: dict[str, str | None] = {}
        for op in self.all_ops():
            if op.unit == "pu" and op.weights:
                matrix, *bias = op.weights
                found.setdefault(matrix, bias[0] if bias else None)
            for name in op.parameters:
                found.setdefault(name, None)
        return found

    @cached_property
    def embedding_ops(self) -> tuple[Embedding, ...]:
        """Reads of embedding tables, in execution order."""
        return tuple(op for op in self.all_ops() if isinstance(op, Embedding))

    def weight_mask(self, name: str) -> NDArray[np.bool_]:
        """Non-zero mask of a weight tensor in its shape; True means stored."""
        shape = self.tensors[name].dims(0)
        packed = self.masks.get(name)
        if packed is None:
            return np.ones(shape, dtype=np.bool_)
        count = int(np.prod(shape))
        return np.unpackbits(packed, count=count).reshape(shape).view(np.bool_)

    def op_macs(self, op: Op, num_tokens: int) -> int:
        """Multiply-accumulates of one op, zeros included."""
        if op.unit != "pu":
            return 0
        return prod(op.extent(lambda name: self.tensors[name].dims(num_tokens)))

    def macs(self, num_tokens: int) -> int:
        """Multiply-accumulates of prologue, all layers with off-ramps, and epilogue."""
        return sum(self.op_macs(op, num_tokens) for op in self.all_ops())
