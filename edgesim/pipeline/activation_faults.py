"""Accuracy with activations in faulty cells: every op's output is misread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesim.errors import InputError
from edgesim.functional.chip.arithmetic import ChipArithmetic, chip_arithmetic
from edgesim.functional.chip.profile import profile_of
from edgesim.functional.execution import execute_all
from edgesim.functional.faults import CellFaults, FaultyActivations
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.exits import EntropyExit
from edgesim.ir.fault_study import FaultTrial
from edgesim.pipeline.models import ModelFolder

ACTIVATION = "activation"
ASSUMED = (
    "the output of every op rests once in the medium, packed for each sentence, and is read from "
    "there by all its readers",
    "answers, with and without faults, are those of the chip's own arithmetic",
)


@dataclass(frozen=True, eq=False)
class ActivationRuns:
    """A model over labelled sentences in a chip's arithmetic."""

    sound: ChipArithmetic
    tokens: Sequence[NDArray[np.int64]]
    labels: NDArray[np.int64]
    threshold: float | None
    """Nats; None for full depth alone."""

    def draw(
        self, data: CellFaults | None, mask: CellFaults | None, seed: int, trial: int
    ) -> FaultTrial:
        """One execution of all sentences with faults of one draw."""
        return self._played(data, mask, seed, trial)[0]

    def without_faults(self) -> tuple[FaultTrial, Counter[str]]:
        """The answers without faults; tensors, data_bits and mask_bits over all sentences."""
        return self._played(None, None, 0, 0)

    def _played(
        self, data: CellFaults | None, mask: CellFaults | None, seed: int, trial: int
    ) -> tuple[FaultTrial, Counter[str]]:
        from edgesim.compress.evaluate import correct_answers

        faulty = FaultyActivations(self.sound, data, mask, seed, trial)
        answers = execute_all(self.sound.trace, self.tokens, faulty, label="one draw")
        right = correct_answers(answers.logits, self.labels)
        left, layer = None, None
        if self.threshold is not None and answers.entropies is not None:
            layers = EntropyExit(self.threshold).exit_layers(answers.entropies)
            left = int(right[np.arange(len(right)), layers - 1].sum())
            layer = float(layers.mean())
        count = faulty.counts
        found = FaultTrial(
            data_faults=count["data_faults"], mask_faults=count["mask_faults"],
            changed_weights=count["changed"], correct=int(right[:, -1].sum()),
            correct_with_exit=left, average_exit_layer=layer,
        )  # fmt: skip
        return found, count


def activation_runs(
    folder: ModelFolder, chip: AcceleratorSpec, path: Path, threshold: float | None
) -> ActivationRuns:
    """The sentences of a labelled TSV; InputError for a model without calibrated ranges."""
    profile = profile_of(chip)
    workload = folder.record(path)
    if workload.labels is None or workload.token_ids is None:
        raise InputError(f"{path}: no column 'label'; labelled sentences are needed")
    sound = chip_arithmetic(folder.executable(), profile)
    return ActivationRuns(sound, workload.token_ids, workload.labels, threshold)
