"""Kernels of the mean sentence on a GPU, so that other parameters time them without a new run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesim.ir.optrace import OpTrace
from edgesim.sim.gpu import PRECISION_BYTES, SYNC, GpuParameters, sentence_kernels


@dataclass(frozen=True, eq=False)
class MeanKernels:
    """Distinct kernels with how often the mean sentence runs them."""

    flop: NDArray[np.float64]
    traffic_bytes: NDArray[np.float64]
    weight: NDArray[np.float64]
    num_syncs: float

    @classmethod
    def of(
        cls, trace: OpTrace, precision: str, num_tokens: NDArray[np.int64],
        exit_layers: NDArray[np.int64] | None,
    ) -> MeanKernels:  # fmt: skip
        """The kernels of sentences that leave after the given layers, or run at full depth."""
        leave = [None] * len(num_tokens) if exit_layers is None else exit_layers.tolist()
        sentences = Counter(zip(num_tokens.tolist(), leave, strict=True))
        kernels: Counter[tuple[int, int]] = Counter()
        syncs = 0
        for (tokens, layer), count in sentences.items():
            for kind, flop, moved in sentence_kernels(
                trace, PRECISION_BYTES[precision], tokens, layer
            ):
                if kind == SYNC:
                    syncs += count
                else:
                    kernels[flop, moved] += count
        table = np.array(list(kernels), dtype=np.float64)
        weight = np.array(list(kernels.values())) / len(num_tokens)
        return cls(table[:, 0], table[:, 1], weight, syncs / len(num_tokens))

    def latency_s(self, parameters: GpuParameters) -> float:
        """Mean latency at the parameters' nominal values."""
        rate = parameters.peak_flop_per_s.value * parameters.compute_efficiency.value
        bandwidth = parameters.bandwidth_bytes_per_s.value * parameters.bandwidth_efficiency.value
        work = np.maximum(self.flop / rate, self.traffic_bytes / bandwidth)
        kernels = float(np.dot(self.weight, work + parameters.launch_s.value))
        return kernels + self.num_syncs * parameters.sync_s.value
