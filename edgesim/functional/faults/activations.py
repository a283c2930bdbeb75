"""Activations that rest in faulty cells between the op that writes them and its readers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.functional.batch import Batch
from edgesim.functional.chip.arithmetic import ChipArithmetic, Coded
from edgesim.functional.faults.cells import CellFaults
from edgesim.functional.faults.injection import damage
from edgesim.functional.faults.stored import StoredTensor, store_codes
from edgesim.ir import ops
from edgesim.ir.packed_layout import PackedLayout
from edgesim.numerics import format_bits


@dataclass(frozen=True, eq=False)
class FaultyActivations:
    """A chip's arithmetic whose every output is stored once, misread, and read by all its readers.

    An `execution.Arithmetic`. A sentence's tensor is cut into vectors along its last axis and
    packed lane by lane behind its bitmask, as the encoder writes it; the tensor of one sentence is
    one block. Faults follow from the seed, the trial and the place of the tensor in the execution,
    so that conditions that differ in the mask alone draw the same places in equal codes.
    """

    sound: ChipArithmetic
    data: CellFaults | None
    """Cells of the codes; None: without faults."""
    mask: CellFaults | None
    seed: int = 0
    trial: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """tensors, data_bits, mask_bits, data_faults, mask_faults, changed."""

    def fuses(self, function: str) -> bool:
        """As the chip does."""
        return self.sound.fuses(function)

    def values(self, value: Any) -> NDArray[np.float64]:
        """What a tensor means."""
        return self.sound.values(value)

    def leaves(self, entropies: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """As the chip decides."""
        return self.sound.leaves(entropies, threshold)

    def run(
        self, op: ops.Op, operands: list[Any], batch: Batch, fused: ops.Activation | None = None
    ) -> Any:
        """The output of one op as it is read back."""
        value = self.sound.run(op, operands, batch, fused)
        return self._read_back(value) if isinstance(value, Coded) else value

    def _read_back(self, value: Coded) -> Coded:
        stored = self._stored(value.codes)
        streams = [
            np.random.default_rng(
                np.random.SeedSequence(
                    self.seed, spawn_key=(self.trial, self.counts["tensors"], part)
                )
            )
            for part in (0, 1)
        ]
        found = damage(stored, self.data, self.mask, *streams)
        self.counts.update(
            tensors=1, data_bits=stored.data_bits, mask_bits=stored.mask_bits,
            data_faults=found.data_faults, mask_faults=found.mask_faults,
            changed=len(found.elements),
        )  # fmt: skip
        if not len(found.elements):
            return value
        codes = value.codes.copy()
        codes.reshape(-1)[found.elements] = found.values.astype(codes.dtype)
        return replace(value, codes=codes)

    def _stored(self, codes: NDArray[Any]) -> StoredTensor:
        size = self.sound.profile.vector_size
        bits = format_bits(self.sound.profile.number_format)
        layout = activation_layout(codes.shape, size)
        return store_codes(layout, codes, bits, np.arange(2**bits, dtype=np.float64))


def activation_layout(shape: tuple[int, ...], vector_size: int) -> PackedLayout:
    """Activations (sentences, …, width) as vectors along the width, a block per sentence."""
    width = shape[-1]
    index = np.full((int(np.prod(shape[:-1])), width + -width % vector_size), -1, dtype=np.int32)
    index[:, :width] = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(-1, width)
    element_of = index.reshape(-1, vector_size)
    starts = np.linspace(0, len(element_of), shape[0] + 1).astype(np.int64)
    return PackedLayout("activation", shape, element_of, starts)
