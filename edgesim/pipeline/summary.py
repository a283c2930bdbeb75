"""From a priced run to a SimResult: bottlenecks in words, roofline, provenance."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.figures import SegmentTotals
from edgesim.ir.latency import OperatingPoint
from edgesim.ir.plan import SegmentPlan
from edgesim.ir.proof import proof_words
from edgesim.ir.result import LayerBottleneck, RooflinePoint, SimResult
from edgesim.ir.run import SimulationRun
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper
from edgesim.pipeline.answers import sentence_rows
from edgesim.pipeline.figures import accelerator_figures, sim_result
from edgesim.pipeline.run_input import RunInput
from edgesim.pipeline.voltage_use import point_lines, voltage_assumptions, voltage_use
from edgesim.pipeline.wear import wear_notes
from edgesim.sim.analytic import schedule_ticks
from edgesim.sim.artifact.time_parts import time_parts_s
from edgesim.sim.operating_points import CHANGE, SETTLING, SLEW, pairs_left_out
from edgesim.sim.scheduled_run import ScheduledSimulator
from edgesim.sim.vector_unit import SCHEDULES
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import Technology
from edgesim.tech.provenance import lines_of_kind, source_uses

if TYPE_CHECKING:
    from edgesim.energy import PricedRun

Simulator = WorkloadSimulator | ScheduledSimulator
TICKS_PER_S = 1e12
SegmentKey = tuple[str, int, OperatingPoint | None]
EXPOSED_DMA_LIMIT = 0.25
"""Share of a layer's time with only DMA at work from which the memory is called the limit."""


def accelerator_result(
    inputs: RunInput, chip: AcceleratorSpec, technology: Technology,
    mapper: Mapper, simulator: Simulator, run: SimulationRun, priced: PricedRun,
) -> SimResult:  # fmt: skip
    """The result of one accelerator run."""
    counts = run.segment_counts()
    totals = segment_totals(inputs, chip, simulator, counts)
    figures = accelerator_figures(
        inputs, run, priced.accounts(), priced.area_mm2, totals,
        sum(mapper.placement.spilled_bits.values()),
    )  # fmt: skip
    latency_s = run.latency_ticks() / TICKS_PER_S
    chip_j, offchip_j, host_j = (rows[0] for rows in priced.accounts().values())
    scheduled = schedule_entries(simulator)
    n = chip.pu.vector_size
    port_bits = max(storage.port_bits for storage in chip.storage.values())
    return sim_result(
        inputs, chip, technology, figures, area_parts_mm2=priced.area_parts_mm2,
        sentences=sentence_rows(inputs, latency_s, chip_j, offchip_j, host_j, run.schedule),
        breakdown=priced.breakdown,
        bottlenecks=layer_bottlenecks(run, simulator, counts),
        roofline=roofline_points(run, simulator, counts),
        peak_macs_per_s=n * n * chip.clock.frequency_hz,
        memory_bytes_per_s=port_bits / 8 * chip.clock.frequency_hz,
        schedule_range_s=schedule_range(simulator, run, counts),
        operating_points=point_lines(chip, run),
        sources=tuple(sorted(
            {*priced.sources, *source_uses(technology, scheduled)}, key=lambda use: use.entry
        )),
        assumed=(
            *chip.assumed, *priced.assumed, *lines_of_kind(technology, scheduled, "assumed"),
            *_trace_assumptions(inputs), *voltage_assumptions(run)
        ),
        fitted=priced.fitted,
        not_modelled=(*chip.not_modelled, *priced.not_modelled),
        notes=(
            *inputs.trace.notes, *_notes(mapper, simulator, run), *_exit_notes(inputs),
            *_answer_notes(inputs), *_pair_notes(simulator),
            *wear_notes(chip, technology, simulator.plans, counts, len(latency_s)),
        ),
        time_parts_s=time_parts_s(run, simulator.plans),
        voltage=voltage_use(run, priced.segment_energy_j),
    )  # fmt: skip


def schedule_entries(simulator: Simulator) -> tuple[str, ...]:
    """Technology entries behind the operating points and the changes between them."""
    if not isinstance(simulator, ScheduledSimulator):
        return ()
    return (*simulator.entries, SLEW, SETTLING)


def _pair_notes(simulator: Simulator) -> tuple[str, ...]:
    if not isinstance(simulator, ScheduledSimulator):
        return ()
    left = pairs_left_out(simulator.chip, simulator.technology)
    words = "voltage pairs that are not below the chip's own clock are left out"
    return (f"{words}: {', '.join(left)}",) if left else ()


def _exit_notes(inputs: RunInput) -> tuple[str, ...]:
    if inputs.target is None or inputs.decision.strategy != "entropy":
        return ()
    return ("no exit is forecast: the voltage of every sentence is planned for full depth",)


def _trace_assumptions(inputs: RunInput) -> tuple[str, ...]:
    lines = []
    if inputs.workload is None or inputs.workload.arithmetic == "float32":
        lines.append(
            "activations are computed in float32 for answers and exits; the chip's own arithmetic "
            "is not applied (--arithmetic chip)"
        )
    if inputs.trace.activation_statistics is None:
        lines.append("activations are dense: no activation mask statistics in the trace")
    if inputs.trace.token_counts is None:
        lines.append("embedding rows are placed in vocabulary order: no token counts in the trace")
    return tuple(lines)


def _answer_notes(inputs: RunInput) -> tuple[str, ...]:
    """What the arithmetic of the answers could not hold, and where zeros come from."""
    origin = inputs.trace.activation_statistics
    zeros = () if origin is None else (f"zeros of activations: {origin}",)
    return zeros if inputs.workload is None else (*inputs.workload.notes, *zeros)


def _notes(mapper: Mapper, simulator: Simulator, run: SimulationRun) -> tuple[str, ...]:
    trace, chip = mapper.trace, simulator.chip
    notes = [proof_words(trace.proof), *mapper.placement.notes]
    formats = {tensor.number_format for tensor in trace.tensors.values()}
    if None in formats:
        notes.append(f"tensors without a number format are held in {chip.pu.number_format}")
    rows = int(run.embedding_spill_rows.sum())
    if rows:
        notes.append(
            f"{rows} embedding row reads over {len(run.num_tokens)} sentences went to "
            f"{chip.placement.embedding_weight[-1]}"
        )
    spilled = sorted({name for plan in simulator.plans for name in plan.spilled_tensors})
    if spilled:
        longest = max(plan.num_tokens for plan in simulator.plans if plan.spilled_tensors)
        notes.append(
            f"{len(spilled)} activations spill to {chip.placement.activation[-1]} in sentences of "
            f"up to {longest} tokens, such as {spilled[0]}"
        )
    return tuple(notes)


def segment_totals(
    inputs: RunInput, chip: AcceleratorSpec, simulator: Simulator, counts: NDArray[np.int64]
) -> SegmentTotals:
    """What the segments of a run need and move."""
    plans = simulator.plans
    return SegmentTotals(
        counts.tolist(),
        [segment_bound(plan, inputs.trace, chip).seconds for plan in plans],
        [plan.spilled_bits for plan in plans],
        [plan.traffic_bits for plan in plans],
        [plan.compulsory_bits for plan in plans],
    )


def schedule_range(
    simulator: Simulator, run: SimulationRun, counts: NDArray[np.int64]
) -> dict[str, float]:
    """Mean latency under every schedule of the special function unit.

    The chip's own schedule is simulated; the others add the difference that the analytic twin
    finds for each segment, embedding reads left out because no schedule touches them.
    """
    chip = simulator.chip
    sentences = len(run.sentence_segments)
    own = float(run.latency_ticks().mean()) / TICKS_PER_S
    result: dict[str, float] = {chip.sfu.schedule: own}
    repeats: dict[SegmentKey, int] = defaultdict(int)
    plans: dict[SegmentKey, SegmentPlan] = {}
    for segment, plan, count in zip(run.segments, simulator.plans, counts, strict=True):
        key = (plan.label, plan.num_tokens, segment.point)
        repeats[key] += int(count)
        plans[key] = replace(plan, embedding_reads=())

    others = [schedule for schedule in SCHEDULES if schedule != chip.sfu.schedule]
    sfus = [chip.sfu.model_copy(update={"schedule": schedule}) for schedule in others]
    added = [0] * len(others)
    for key, plan in plans.items():
        if key[0] == CHANGE:
            continue
        point = key[2]
        at = chip if point is None else chip.at(point.frequency_hz, point.voltage_v)
        base, *ticks = schedule_ticks(plan, at, simulator.technology, [chip.sfu, *sfus])
        for place, other in enumerate(ticks):
            added[place] += repeats[key] * (other - base)
    for schedule, more in zip(others, added, strict=True):
        result[schedule] = own + more / sentences / TICKS_PER_S
    return result


def layer_bottlenecks(
    run: SimulationRun, simulator: Simulator, counts: NDArray[np.int64]
) -> tuple[LayerBottleneck, ...]:
    """What limits the embedding, each layer and each off-ramp; times are means per sentence."""
    sentences = len(run.sentence_segments)
    joined = run.joined
    working = joined.busy_ticks("pu", "sfu", "host")
    columns = np.array(
        [
            [segment.log.duration_ticks for segment in run.segments],
            *(joined.busy_ticks(unit) for unit in ("pu", "sfu", "dma")),
            joined.busy_ticks("pu", "sfu", "host", "dma") - working,
            [segment.host_ticks for segment in run.segments],
        ],
        dtype=np.float64,
    )
    totals: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(6))
    media: dict[str, str] = {}
    for index, (segment, plan) in enumerate(zip(run.segments, simulator.plans, strict=True)):
        totals[segment.label] += columns[:, index] * (int(counts[index]) / sentences)
        used = {op.medium for op in plan.ops if op.medium}
        used |= {read.medium for read in plan.embedding_reads}
        media[segment.label] = " and ".join(sorted(used))
    labels = sorted(totals, key=_label_order)
    return tuple(
        _bottleneck(label, totals[label], media[label]) for label in labels if totals[label][0]
    )


def _label_order(label: str) -> tuple[int, int]:
    number = int(label.rsplit(" ", 1)[1]) if label[-1].isdecimal() else 0
    rank = {"embedding": 0, CHANGE: 2, "epilogue": 3}.get(label, 1)
    return (rank, number * 2 + label.startswith("off-ramp"))


def _bottleneck(label: str, total: NDArray[np.float64], medium: str) -> LayerBottleneck:
    pu, sfu, dma, exposed, host = (float(value) for value in total[1:] / total[0])
    waits = {
        f"compute (MAC array busy {pu:.0%})": pu,
        f"special function unit (busy {sfu:.0%})": sfu,
        f"host work (busy {host:.0%})": host,
    }
    limit = max(waits, key=lambda words: waits[words])
    if exposed > EXPOSED_DMA_LIMIT and exposed >= max(sfu, host):
        limit = f"reads from {medium} (DMA exposed {exposed:.0%}, MAC array busy {pu:.0%})"
    if label == CHANGE:
        limit = "regulator and clock generator settle"
    return LayerBottleneck(
        layer=label, limit=limit, latency_s=float(total[0]) / TICKS_PER_S,
        pu_busy_fraction=pu, sfu_busy_fraction=sfu, dma_busy_fraction=dma,
        exposed_dma_fraction=exposed,
    )  # fmt: skip


def roofline_points(
    run: SimulationRun, simulator: Simulator, counts: NDArray[np.int64]
) -> tuple[RooflinePoint, ...]:
    """MACs, storage traffic and busy array time per op kind of the mean sentence."""
    macs: dict[str, float] = defaultdict(float)
    traffic: dict[str, float] = defaultdict(float)
    seconds: dict[str, float] = defaultdict(float)
    kind_of = {op.name: op.kind for plan in simulator.plans for op in plan.ops}
    for plan, count in zip(simulator.plans, counts.tolist(), strict=True):
        for op in plan.ops:
            if op.unit == "pu":
                macs[op.kind] += float(op.macs * count)
            traffic[op.kind] += op.traffic_bits / 8 * count
    log, owner = run.joined.log, run.joined.log_of_op
    sums = log.activity_sums()
    units = np.array(log.unit_names)[sums.unit]
    busy = (units == "pu") & (np.array(log.action_names)[sums.action] == "busy")
    for op, ticks in zip(sums.op[busy].tolist(), sums.busy_ticks[busy].tolist(), strict=True):
        seconds[kind_of[log.op_names[op]]] += ticks / TICKS_PER_S * int(counts[owner[op]])
    sentences = len(run.sentence_segments)
    return tuple(
        RooflinePoint(
            kind, macs[kind] / sentences, traffic[kind] / sentences, seconds[kind] / sentences
        )
        for kind in sorted(macs)
    )
