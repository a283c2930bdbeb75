"""A GPU as roofline, launch overhead and power of its rails: the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgesim.errors import InputError
from edgesim.hw.spec import GpuSpec
from edgesim.ir.interval import ZERO, Interval
from edgesim.ir.ops import Op
from edgesim.ir.optrace import OpTrace
from edgesim.ir.result import BreakdownRow, RooflinePoint, SourceUse
from edgesim.tech import Technology
from edgesim.tech.provenance import lines_of_kind, source_uses

PRECISION_BYTES = {"fp32": 4, "fp16": 2}
GROUPS = ("kind", "layer")
SYNC = "sync"
S_PER_US = 1e-6
PER_GIGA = 1e9


@dataclass(frozen=True)
class GpuParameters:
    """Figures of one device at one precision, from its technology entries."""

    entries: tuple[str, ...]
    peak_flop_per_s: Interval
    compute_efficiency: Interval
    bandwidth_bytes_per_s: Interval
    bandwidth_efficiency: Interval
    launch_s: Interval
    sync_s: Interval
    gpu_power_w: Interval
    soc_power_w: Interval
    ddr_power_w: Interval

    @classmethod
    def of(cls, device: str, precision: str, technology: Technology) -> GpuParameters:
        """The entries `<device>.*`; TechnologyError names one that is missing."""
        ids = (
            f"{device}.{precision}.peak_gflop_per_s",
            f"{device}.{precision}.compute_efficiency_fraction",
            f"{device}.bandwidth_gb_per_s", f"{device}.bandwidth_efficiency_fraction",
            f"{device}.launch_overhead_us", f"{device}.sync_overhead_us",
            f"{device}.gpu_power_w", f"{device}.soc_power_w", f"{device}.ddr_power_w",
        )  # fmt: skip
        scales = (PER_GIGA, 1.0, PER_GIGA, 1.0, S_PER_US, S_PER_US, 1.0, 1.0, 1.0)
        figures = (
            technology.interval(entry_id).scaled(scale)
            for entry_id, scale in zip(ids, scales, strict=True)
        )
        return cls(ids, *figures)

    def kernel_s(self, flop: float, traffic_bytes: float) -> Interval:
        """Launch overhead plus the roofline: the slower of arithmetic and traffic.

        The low end takes every parameter at its fast end, the high end at its slow end.
        """
        rate = self.peak_flop_per_s.times(self.compute_efficiency)
        bandwidth = self.bandwidth_bytes_per_s.times(self.bandwidth_efficiency)
        roofline = Interval(
            max(flop / rate.value, traffic_bytes / bandwidth.value),
            max(flop / rate.high, traffic_bytes / bandwidth.high),
            max(flop / rate.low, traffic_bytes / bandwidth.low),
        )
        return roofline + self.launch_s


@dataclass(frozen=True, eq=False)
class GpuRun:
    """Sentences on a GPU; rows of the arrays are value, low and high, (3, sentences)."""

    precision: str
    label: str
    """What ran: dense or compressed weights, full depth or exits."""
    latency_s: NDArray[np.float64]
    chip_energy_j: NDArray[np.float64]
    """Rails of GPU and SOC."""
    offchip_energy_j: NDArray[np.float64]
    """Rail of the DRAM."""
    macs: NDArray[np.float64]
    """Multiply-accumulates of each sentence, zeros included."""
    traffic_bytes: NDArray[np.float64]
    breakdown: tuple[BreakdownRow, ...]
    """Means per sentence; each of the groups unit, kind and layer sums to the total."""
    roofline: tuple[RooflinePoint, ...]
    """MACs, DRAM bytes and time, launches included, per op kind of the mean sentence."""
    sources: tuple[SourceUse, ...]
    assumed: tuple[str, ...]
    not_modelled: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def energy_j(self) -> NDArray[np.float64]:
        """All rails, (3, sentences)."""
        return self.chip_energy_j + self.offchip_energy_j


@dataclass(frozen=True)
class _Sentence:
    """One sentence: time by (group, name), and its totals."""

    latency_s: Interval
    rows: dict[tuple[str, str], Interval]
    work: dict[str, tuple[int, int]]
    """Multiply-accumulates and DRAM bytes by op kind."""

    @property
    def macs(self) -> int:
        """Of all kernels."""
        return sum(macs for macs, _ in self.work.values())

    @property
    def traffic_bytes(self) -> int:
        """Of all kernels."""
        return sum(moved for _, moved in self.work.values())


def simulate_gpu(
    trace: OpTrace, chip: GpuSpec, num_tokens: ArrayLike, exit_layers: ArrayLike | None,
    technology: Technology, precision: str = "fp16", dense: bool = True,
) -> GpuRun:  # fmt: skip
    """Latency and energy of every sentence at batch 1, one kernel per op of the trace.

    `exit_layers` are 1-based; None runs to full depth, with the last off-ramp only and no
    decision. Every decision costs a device-to-host synchronisation, and so do the logits at full
    depth. `dense=False` marks compressed weights: this GPU gains nothing from zeros, so figures
    are those of the dense model. Raises InputError for a precision or layer out of range.
    """
    if precision not in chip.precisions:
        allowed = ", ".join(chip.precisions)
        raise InputError(f"precision {precision!r}: chip {chip.name} has {allowed}")
    tokens, layers = _columns(trace, num_tokens, exit_layers)
    parameters = GpuParameters.of(chip.device, precision, technology)
    kinds = {
        key: _sentence(trace, parameters, PRECISION_BYTES[precision], *key)
        for key in sorted(set(zip(tokens, layers, strict=True)), key=lambda k: (k[0], k[1] or 0))
    }
    sentences = [kinds[key] for key in zip(tokens, layers, strict=True)]
    latency_s = np.array([_ends(sentence.latency_s) for sentence in sentences]).T
    chip_w = _array(parameters.gpu_power_w + parameters.soc_power_w)
    ddr_w = _array(parameters.ddr_power_w)
    return GpuRun(
        precision=precision,
        label=("dense" if dense else "compressed")
        + (", full depth" if exit_layers is None else ", early exit"),
        latency_s=latency_s,
        chip_energy_j=latency_s * chip_w,
        offchip_energy_j=latency_s * ddr_w,
        macs=np.array([float(sentence.macs) for sentence in sentences]),
        traffic_bytes=np.array([float(sentence.traffic_bytes) for sentence in sentences]),
        breakdown=_breakdown(sentences, parameters, chip_w + ddr_w),
        roofline=_roofline(sentences),
        sources=source_uses(technology, parameters.entries),
        assumed=(*chip.assumed, *lines_of_kind(technology, parameters.entries, "assumed")),
        not_modelled=chip.not_modelled,
        notes=() if dense else (
            "compressed weights cost this GPU what dense ones do: it has no use for zeros",
        ),
    )  # fmt: skip


def op_work(trace: OpTrace, op: Op, num_tokens: int, element_bytes: int) -> tuple[int, int]:
    """Floating-point operations and DRAM bytes of one kernel.

    Products count two operations per multiply-accumulate; other ops are bound by their traffic.
    Inputs, weights and output each cross the DRAM once; of an embedding table, only the rows
    that are read.
    """
    elements = sum(trace.tensors[name].num_elements(num_tokens) for name in op.moved_tensors)
    return 2 * trace.op_macs(op, num_tokens), elements * element_bytes


def _columns(
    trace: OpTrace, num_tokens: ArrayLike, exit_layers: ArrayLike | None
) -> tuple[list[int], list[int | None]]:
    tokens = [int(count) for count in np.atleast_1d(np.asarray(num_tokens))]
    if not tokens or min(tokens) < 1:
        raise InputError("num_tokens: at least one sentence of at least one token is wanted")
    if exit_layers is None:
        return tokens, [None] * len(tokens)
    layers = [int(layer) for layer in np.atleast_1d(np.asarray(exit_layers))]
    if not trace.has_exits:
        raise InputError(f"exit_layers: {trace.name} has no off-ramps; give None for full depth")
    if len(layers) != len(tokens):
        raise InputError(f"exit_layers: {len(layers)} for {len(tokens)} sentences")
    if min(layers) < 1 or max(layers) > trace.num_layers:
        raise InputError(
            f"exit_layers: {min(layers)} to {max(layers)}; allowed 1 to {trace.num_layers}"
        )
    return tokens, [*layers]


def _kernels(trace: OpTrace, exit_layer: int | None) -> Iterator[tuple[str, Op]]:
    """Ops of a sentence with their layer label, in order."""
    yield from (("embedding", op) for op in trace.prologue)
    for layer in trace.layers[: exit_layer or trace.num_layers]:
        yield from ((f"layer {layer.index}", op) for op in layer.ops)
        if exit_layer is not None:
            yield from ((f"off-ramp {layer.index}", op) for op in layer.ramp)
        elif layer.index == trace.num_layers:
            final = (op for op in layer.ramp if op.holds_output)
            yield from ((f"off-ramp {layer.index}", op) for op in final)
    if exit_layer is None or exit_layer == trace.num_layers:
        yield from (("epilogue", op) for op in trace.epilogue)


def sentence_kernels(
    trace: OpTrace, element_bytes: int, num_tokens: int, exit_layer: int | None
) -> Iterator[tuple[str, int, int]]:
    """Kind, operations and DRAM bytes of every kernel; waits for the host are of kind SYNC."""
    for _, op in _kernels(trace, exit_layer):
        if op.unit == "exit":
            yield SYNC, 0, 0
        elif op.unit != "none":
            yield op.kind, *op_work(trace, op, num_tokens, element_bytes)
    if exit_layer is None:
        yield SYNC, 0, 0


def _sentence(
    trace: OpTrace, parameters: GpuParameters, element_bytes: int, num_tokens: int,
    exit_layer: int | None,
) -> _Sentence:  # fmt: skip
    steps: list[tuple[str, str, Interval]] = []
    work: dict[str, tuple[int, int]] = {}
    for label, op in _kernels(trace, exit_layer):
        if op.unit == "none":
            continue
        if op.unit == "exit":
            steps.append((label, SYNC, parameters.sync_s))
            continue
        flop, op_bytes = op_work(trace, op, num_tokens, element_bytes)
        macs, moved = work.get(op.kind, (0, 0))
        work[op.kind] = (macs + flop // 2, moved + op_bytes)
        steps.append((label, op.kind, parameters.kernel_s(flop, op_bytes)))
    if exit_layer is None:
        steps.append(("logits", SYNC, parameters.sync_s))
    total, rows = ZERO, dict[tuple[str, str], Interval]()
    for label, kind, time_s in steps:
        total = total + time_s
        for key in (("kind", kind), ("layer", label)):
            rows[key] = rows.get(key, ZERO) + time_s
    return _Sentence(total, rows, work)


def _breakdown(
    sentences: list[_Sentence], parameters: GpuParameters, power_w: NDArray[np.float64]
) -> tuple[BreakdownRow, ...]:
    count = len(sentences)
    sums: dict[tuple[str, str], Interval] = {}
    for sentence in sentences:
        for key, time_s in sentence.rows.items():
            sums[key] = sums.get(key, ZERO) + time_s
    latency = sum((sentence.latency_s for sentence in sentences), ZERO).scaled(1 / count)
    rows = [
        BreakdownRow("unit", name, latency.times(rail), latency.value, account)
        for name, rail, account in (
            ("gpu", parameters.gpu_power_w, "chip"), ("soc", parameters.soc_power_w, "chip"),
            ("ddr", parameters.ddr_power_w, "offchip"),
        )
    ]  # fmt: skip
    power = Interval(*(float(end) for end in power_w[:, 0]))
    for group in GROUPS:
        for (mine, name), time_s in sums.items():
            if mine == group:
                mean = time_s.scaled(1 / count)
                rows.append(BreakdownRow(group, name, mean.times(power), mean.value))
    return tuple(rows)


def _roofline(sentences: list[_Sentence]) -> tuple[RooflinePoint, ...]:
    """Means per sentence by op kind, in alphabetical order."""
    count = len(sentences)
    return tuple(
        RooflinePoint(
            kind,
            sum(sentence.work.get(kind, (0, 0))[0] for sentence in sentences) / count,
            sum(sentence.work.get(kind, (0, 0))[1] for sentence in sentences) / count,
            sum(s.rows[("kind", kind)].value for s in sentences if kind in s.work) / count,
        )
        for kind in sorted({kind for sentence in sentences for kind in sentence.work})
    )


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _array(interval: Interval) -> NDArray[np.float64]:
    """An interval as a column (3, 1)."""
    return np.array(_ends(interval)).reshape(3, 1)
