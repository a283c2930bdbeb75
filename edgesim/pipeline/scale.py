"""One sentence of each of several lengths at full depth: where the work turns from memory- to
compute-bound."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from edgesim.errors import InputError
from edgesim.hw.spec import AcceleratorSpec, Chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import LayerBottleneck, SimResult
from edgesim.ir.scale import LayerScale, LengthScale, WorkScale
from edgesim.pipeline.simulate import simulate
from edgesim.tech import Technology

LENGTHS = (16, 32, 64, 128, 256, 512)


def scale_of_work(
    trace: OpTrace, chip: Chip, lengths: Sequence[int] = LENGTHS,
    technology: Technology | None = None,
) -> WorkScale:  # fmt: skip
    """A trace at each length, batch 1, without exits.

    Raises InputError for a chip that is no accelerator, for no length, for one that is given
    twice, and for one that the model does not allow.
    """
    if not isinstance(chip, AcceleratorSpec):
        raise InputError(f"{chip.name} is no accelerator; a roofline has no layers that wait")
    if not lengths or len(set(lengths)) != len(lengths):
        raise InputError(f"lengths {list(lengths)}: give at least one, and each once")
    wrong = [length for length in lengths if not 1 <= length <= trace.max_tokens]
    if wrong:
        raise InputError(f"length {wrong[0]}: the model allows 1 to {trace.max_tokens} tokens")
    bar = tqdm(sorted(lengths), desc="scale", unit="length", leave=False, disable=None)
    results = {n: simulate(trace, chip, pad_to=n, technology=technology) for n in bar}
    return WorkScale(trace.name, chip.name, tuple(_length(n, r) for n, r in results.items()))


def _length(num_tokens: int, result: SimResult) -> LengthScale:
    assert result.energy_j is not None
    assert result.traffic_over_compulsory is not None
    return LengthScale(
        num_tokens, result.latency_s.value, result.energy_j, result.traffic_over_compulsory,
        tuple(_layer(row) for row in result.bottlenecks),
    )  # fmt: skip


def _layer(row: LayerBottleneck) -> LayerScale:
    time_s = row.latency_s
    return LayerScale(
        row.layer, time_s, (row.pu_busy_fraction + row.sfu_busy_fraction) * time_s,
        row.dma_busy_fraction * time_s, row.exposed_dma_fraction * time_s, row.limit,
    )  # fmt: skip
