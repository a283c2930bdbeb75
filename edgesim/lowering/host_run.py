"""Timing a torch module on this machine: batch 1, one sentence after another, wall clock."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgesim.errors import InputError
from edgesim.lowering.example import read_example

_CPU_FILE = Path("/proc/cpuinfo")


@dataclass(frozen=True, eq=False)
class HostTiming:
    """Measured seconds of one forward pass per sentence length."""

    lengths: tuple[int, ...]
    seconds: NDArray[np.float64]
    """Median, fastest and slowest repeat of each length, (3, lengths)."""
    threads: int
    machine: str
    """Name of the processor."""
    software: str
    """Version of torch."""


def time_forward(
    model: nn.Module, lengths: Sequence[int], *, repeats: int, warm_up: int, threads: int
) -> HostTiming:
    """Wall-clock time of the module's forward at each length, after `warm_up` unmeasured passes.

    Token ids are stand-ins, float32, evaluation mode; the module's mode and the number of threads
    are restored. Raises InputError for what is no module and for inputs of unknown meaning.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model: got a {type(model).__name__}; allowed is a torch.nn.Module")
    example = read_example(model, None)
    was_training = model.training
    model.eval()
    try:
        with _threads(threads), torch.inference_mode():
            rows = [
                _timed(model, example.at(length), repeats, warm_up) for length in sorted({*lengths})
            ]
    finally:
        model.train(was_training)
    return HostTiming(
        tuple(sorted({*lengths})), np.array(rows).T, threads, _machine(),
        f"torch {torch.__version__}",
    )  # fmt: skip


def _timed(
    model: nn.Module, arguments: dict[str, object], repeats: int, warm_up: int
) -> tuple[float, float, float]:
    taken: list[float] = []
    for index in range(warm_up + repeats):
        start = time.perf_counter()
        model(**arguments)
        if index >= warm_up:
            taken.append(time.perf_counter() - start)
    return float(np.median(taken)), min(taken), max(taken)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _machine() -> str:
    """The processor's name as the system states it, else its architecture."""
    try:
        lines = _CPU_FILE.read_text(encoding="utf-8").split("\n")
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
