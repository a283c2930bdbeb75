"""Simulations of ALBERT-base on the paper's block diagram: work, time, storage, exits, ratios."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from edgesim.hw.loader import load_chip
from edgesim.hw.spec import GpuSpec
from edgesim.ir.exits import EntropyExit
from edgesim.ir.infeasible import Infeasible
from edgesim.ir.interval import Interval
from edgesim.ir.ops import Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import SimResult
from edgesim.mapping.draft import draft_ops
from edgesim.mapping.planner import Mapper
from edgesim.report.ratios import ratio_of
from edgesim.sim.op_cycles import op_cycles
from edgesim.validation.bench import TABLE_DENSITY, Bench
from edgesim.validation.entropies import PADDED_TOKENS
from edgesim.validation.verdict import Simulated

VECTOR_SIZES = (2, 4, 8, 16, 32)
ENCODER_DENSITY = 0.5
"""Of the released SST-2 model."""
NEEDS_ENTROPIES = "needs --entropies DIR, the authors' released entropies"
TX2 = "tx2-maxn"


def matmul_ms(bench: Bench, vector_size: int) -> Simulated:
    """Products of 12 layers one after the other on the tile pipeline, operands on chip."""
    chip = bench.chip(f"edgebert-n{vector_size}")
    trace = bench.albert()
    cycles = 0
    drafts = draft_ops(trace, chip, trace.layers[0].ops, PADDED_TOKENS)
    assert not isinstance(drafts, Infeasible)
    for draft in drafts:
        if draft.is_product:
            shape = {"m": draft.rows, "k": draft.reduction, "n": draft.columns}
            cycles += draft.repeats * op_cycles("matmul", shape, chip)
    return Simulated(1e3 * cycles * trace.num_layers / chip.clock.frequency_hz)


def macs(bench: Bench, part: str) -> Simulated:
    """Multiply-accumulates of a part of the trace, millions."""
    trace = bench.albert()
    widen = tuple(op for op in trace.prologue if op.unit == "pu")
    parts: dict[str, tuple[Op, ...]] = {
        "layer": trace.layers[0].ops, "layers": tuple(o for la in trace.layers for o in la.ops),
        "embedding": widen, "off-ramp": trace.layers[0].ramp,
    }  # fmt: skip
    return Simulated(sum(trace.op_macs(op, PADDED_TOKENS) for op in parts[part]) / 1e6)


def special_function_states(bench: Bench, kind: str, rows: int, width: int, ops: int) -> Simulated:
    """States of a special function in a layer: cycles under `fsm_ii` over its interval."""
    chip = bench.chip("edgebert-n16", sfu__schedule="fsm_ii")
    interval = chip.sfu.programs["add" if kind == "elemadd" else kind].initiation_interval
    cycles = op_cycles(kind, {"m": rows, "k": width}, chip)
    return Simulated(ops * cycles / interval / 1e3)


def head_gain(
    bench: Bench, spans: list[int], keep_output_projection: bool, quantity: str = "work"
) -> Simulated:
    """Work of 12 layers, latency or chip energy over that without the heads whose span is zero."""
    whole, fewer = bench.albert(), bench.spanned(tuple(spans), keep_output_projection)
    if quantity == "work":
        return Simulated(macs_of_layers(whole) / macs_of_layers(fewer))
    chip = bench.chip("edgebert-n16")
    return gain(bench.result(chip, whole), bench.result(chip, fewer), quantity, same_sources=True)


def macs_of_layers(trace: OpTrace) -> int:
    """Multiply-accumulates of all encoder layers at 128 tokens."""
    return sum(trace.op_macs(op, PADDED_TOKENS) for layer in trace.layers for op in layer.ops)


def stored_mb(bench: Bench, tensor_class: str, density: float = 1.0) -> Simulated:
    """Megabytes of a class of weights at rest on edgebert-n16, packed per lane."""
    tables = tensor_class == "embedding_weight"
    trace = bench.albert(1.0 if tables else density, density if tables else 1.0)
    placement = Mapper(trace, bench.chip("edgebert-n16")).placement
    return Simulated(placement.stored_bits[tensor_class] / 8e6)


def held_by_first_medium(bench: Bench, tensor_class: str, density: float) -> Simulated:
    """Share of a class of weights, in percent, that its first medium on edgebert-n16 holds."""
    placement = Mapper(bench.albert(1.0, density), bench.chip("edgebert-n16")).placement
    stored, spilled = (
        bits.get(tensor_class, 0) for bits in (placement.stored_bits, placement.spilled_bits)
    )
    words = f"{spilled / 8 / 2**20:.2f} of {stored / 8 / 2**20:.2f} MiB spill to the next medium"
    return Simulated(100 * (1 - spilled / stored), note=words if spilled else "")


def dense_mb(bench: Bench, classes: list[str]) -> Simulated:
    """Megabytes of classes of weights at 8 bits an element, nothing left out."""
    tensors = bench.albert().tensors.values()
    return Simulated(sum(t.num_elements(1) for t in tensors if t.tensor_class in classes) / 1e6)


def memory_ratio(bench: Bench, density: float, table_density: float) -> Simulated:
    """Float32 weights over the compressed ones, off-ramps left out on both sides."""
    classes = ["embedding_weight", "encoder_weight"]
    dense = dense_mb(bench, classes).value or 0.0
    placement = Mapper(bench.albert(density, table_density), bench.chip("edgebert-n16")).placement
    return Simulated(4 * dense / sum(placement.stored_bits[name] / 8e6 for name in classes))


def exit_average(bench: Bench, threshold: float) -> Simulated:
    """Mean exit layer of the authors' sentences."""
    if bench.workload is None or bench.workload.entropies is None:
        return Simulated.missing(NEEDS_ENTROPIES)
    layers = EntropyExit(threshold).exit_layers(bench.workload.entropies)
    return Simulated(float(layers.mean()))


def saved_share(bench: Bench, threshold: float) -> Simulated:
    """Share of the layers that exits leave out, percent."""
    average = exit_average(bench, threshold)
    if average.value is None:
        return average
    return Simulated(100 * (1 - average.value / 12))


def exit_gain(bench: Bench, threshold: float, quantity: str, against: str) -> Simulated:
    """Latency or energy of a baseline over pruned edgebert-n16 with the authors' exits.

    Baselines: `dense` and `pruned` are edgebert-n16 at full depth, `tx2` the GPU on dense weights
    in half precision at full depth. Energy on one chip is that of the chip alone.
    """
    if bench.workload is None:
        return Simulated.missing(NEEDS_ENTROPIES)
    chip = bench.chip("edgebert-n16")
    pruned = bench.albert(ENCODER_DENSITY, TABLE_DENSITY)
    mine = bench.result(chip, pruned, threshold)
    if against == "tx2":
        other = bench.result(load_chip(TX2), bench.albert())
    else:
        other = bench.result(chip, pruned if against == "pruned" else bench.albert())
    return gain(other, mine, quantity, same_sources=against != "tx2")


def sparsity_gain(bench: Bench, density: float) -> Simulated:
    """Chip energy of dense weights over pruned ones, both at full depth."""
    chip = bench.chip("edgebert-n16")
    dense, pruned = (
        bench.result(chip, bench.albert(*densities))
        for densities in ((1.0, TABLE_DENSITY), (density, TABLE_DENSITY))
    )
    return gain(dense, pruned, "chip energy", same_sources=True)


def gain(over: SimResult, under: SimResult, quantity: str, same_sources: bool) -> Simulated:
    """One result over another: `latency`, `chip energy` or `energy`."""

    def side(result: SimResult) -> Interval | None:
        if quantity == "latency":
            return result.latency_s
        return result.chip_energy_j if quantity == "chip energy" else result.energy_j

    ratio = ratio_of(side(over), side(under), same_sources)
    assert ratio is not None
    return Simulated.of(ratio)


def area_mm2(bench: Bench, vector_size: int) -> Simulated:
    """Area of what is modelled, ReRAM included."""
    result = bench.result(bench.chip(f"edgebert-n{vector_size}"), bench.albert())
    assert result.area_mm2 is not None
    return Simulated.of(result.area_mm2)


def chip_power_mw(bench: Bench, vector_size: int) -> Simulated:
    """Chip energy over latency, dense weights at full depth."""
    result = bench.result(bench.chip(f"edgebert-n{vector_size}"), bench.albert())
    assert result.chip_energy_j is not None
    return Simulated.of(result.chip_energy_j.scaled(1e3 / result.latency_s.value))


def doubling_gain(bench: Bench) -> Simulated:
    """Latency over that of twice the vector size; its range spans the steps from 2 to 32."""
    latency = [
        bench.result(bench.chip(f"edgebert-n{n}"), bench.albert()).latency_s.value
        for n in VECTOR_SIZES
    ]
    gains = [one / two for one, two in pairwise(latency)]
    mean = (latency[0] / latency[-1]) ** (1 / len(gains))
    return Simulated(mean, min(gains), max(gains), "geometric mean over four doublings")


def best_vector_size(bench: Bench) -> Simulated:
    """Vector size of least chip energy at full depth."""
    energy = {}
    for n in VECTOR_SIZES:
        chip_j = bench.result(bench.chip(f"edgebert-n{n}"), bench.albert()).chip_energy_j
        assert chip_j is not None
        energy[n] = chip_j.value
    best = min(energy, key=lambda n: energy[n])
    words = ", ".join(f"n = {n}: {1e3 * joule:.2f} mJ" for n, joule in energy.items())
    return Simulated(float(best), note=words)


def faster_than_gpu(bench: Bench) -> Simulated:
    """Smallest vector size faster than the GPU at full depth, half precision, dense."""
    gpu = bench.result(load_chip(TX2), bench.albert()).latency_s
    latency = {
        n: bench.result(bench.chip(f"edgebert-n{n}"), bench.albert()).latency_s.value
        for n in VECTOR_SIZES
    }

    def first_below(limit_s: float) -> float | None:
        return next((float(n) for n in VECTOR_SIZES if latency[n] < limit_s), None)

    value, against_slow, against_fast = (first_below(s) for s in (gpu.value, gpu.high, gpu.low))
    words = f"GPU {1e3 * gpu.value:.0f} [{1e3 * gpu.low:.0f}, {1e3 * gpu.high:.0f}] ms"
    if value is None:
        return Simulated.missing(f"none up to n = {VECTOR_SIZES[-1]} is faster: {words}")
    if against_fast is None:
        words += f"; at its fast end none up to n = {VECTOR_SIZES[-1]} is faster"
        against_slow = None
    return Simulated(value, against_slow, against_fast, words)


def gpu_bound_ms(bench: Bench, precision: str) -> Simulated:
    """Roofline bound of the GPU: no kernel overhead, full efficiency."""
    chip = load_chip(TX2)
    assert isinstance(chip, GpuSpec)
    bound = bench.result(chip, bench.albert(), precision=precision).ideal_latency_s
    assert bound is not None
    return Simulated(1e3 * bound)


MEASURES: dict[str, Callable[..., Any]] = {
    measure.__name__: measure
    for measure in (
        matmul_ms, macs, special_function_states, stored_mb, held_by_first_medium, dense_mb,
        head_gain,
        memory_ratio, exit_average, saved_share, exit_gain, sparsity_gain, area_mm2,
        chip_power_mw, doubling_gain, best_vector_size, faster_than_gpu, gpu_bound_ms,
    )
}  # fmt: skip
