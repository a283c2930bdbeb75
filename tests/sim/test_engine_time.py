"""Where time goes in the event engine: overlap, exposure, stalls, gates, deadlock.

The readings of a log (`timelines`) know nothing of the engine: they look at starts and ends only.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from timelines import critical_path, exposed_dma_ticks, intervals, merged, shared_ticks
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.errors import DeadlockError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.plan import PlannedOp, SegmentPlan, Spill, WeightChunk
from edgesim.mapping.planner import Mapper
from edgesim.sim.player import simulate_segment
from edgesim.tech import Technology, load_technology

SHAPE = BertShape(width=128, heads=4, hidden=512, layers=1)
N16_CYCLE = 1000


def played(
    chip: AcceleratorSpec, num_tokens: int = 32, technology: Technology | None = None
) -> EventLog:
    plan = Mapper(bert_like(SHAPE), chip).layer(1, num_tokens)
    return simulate_segment(plan, chip, technology or load_technology())


def product_plan(columns: int = 64, chunks: int = 4, slots: int = 2, bits: int = 8192,
                 rows: int = 16, reduction: int = 64, **more: object) -> SegmentPlan:  # fmt: skip
    """One product of `chunks` equal chunks."""
    tiles = columns // 16 // chunks
    chunk = WeightChunk(tiles, bits, 64, 64, 16)
    op = PlannedOp(
        "mm", "matmul", "pu", rows, reduction, columns, row_blocks=(rows,), medium="lpddr4",
        chunks=(chunk,) * chunks, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return SegmentPlan("layer 1", 1, rows, (op,), stream_slots=slots)


def play(plan: SegmentPlan, chip: AcceleratorSpec | None = None) -> EventLog:
    return simulate_segment(plan, chip or toy_chip(), load_technology())


def slower_dram(factor: float) -> Technology:
    technology = load_technology()
    entry = technology.entry("lpddr4.peak_bandwidth_gb_per_s")
    assert entry.value is not None
    value = entry.value * factor
    return technology.replaced(dataclasses.replace(entry, value=value, low=value, high=value))


@pytest.mark.parametrize("num_tokens", [4, 32, 96])
def test_halving_the_dram_bandwidth_costs_what_the_timeline_shows_as_exposed(
    num_tokens: int,
) -> None:
    """Every tick is host, PU or SFU work, or a transfer that nothing hides; bandwidth changes only
    the latter. The port carries 8 GB/s, so the medium is the limit from 6.4 GB/s on.
    """
    chip = toy_chip()
    logs = [played(chip, num_tokens, slower_dram(factor)) for factor in (0.5, 0.25, 0.125)]
    work = []
    for log in logs:
        exposed = exposed_dma_ticks(log)
        busy = merged(intervals(log, "host", "pu", "sfu"))
        work.append(sum(end - start for start, end in busy))
        assert log.duration_ticks == work[-1] + exposed
    assert work[0] == work[1] == work[2]
    assert exposed_dma_ticks(logs[0]) < exposed_dma_ticks(logs[1]) < exposed_dma_ticks(logs[2])


def test_halving_the_bandwidth_of_a_hidden_stream_changes_only_its_first_chunk() -> None:
    """Long products hide all but the first chunk of the segment: 8192 bits at 8 B and 4 B a cycle
    take 128 and 256 cycles plus 100 ns, against 36 cycles of configuration.
    """
    plan = product_plan(rows=512, reduction=512)
    wide = play(plan)
    narrow = play(plan, toy_chip(overrides={"storage.lpddr4.port": "32 bit"}))
    assert exposed_dma_ticks(wide) == (128 + 100 - 36) * N16_CYCLE
    assert exposed_dma_ticks(narrow) == (256 + 100 - 36) * N16_CYCLE
    assert narrow.duration_ticks - wide.duration_ticks == 128 * N16_CYCLE


def client_plan(stream_medium: str, with_stream: bool, with_load: bool) -> SegmentPlan:
    """A vector op that loads a spilled tensor while the stream fetches the next op's weights."""
    loads = (Spill("x", "lpddr4", 640_000, 1),) if with_load else ()
    vector = PlannedOp("norm", "add", "sfu", 1, 16, 16, loads=loads)
    chunk = WeightChunk(1, 640_000, 16, 16, 16)
    product = PlannedOp(
        "mm", "matmul", "pu", 16, 16, 16, row_blocks=(16,), medium=stream_medium,
        chunks=(chunk,) if with_stream else (),
    )  # fmt: skip
    return SegmentPlan("layer 1", 1, 16, (vector, product))


def test_two_clients_of_one_channel_finish_later_than_either_alone() -> None:
    """Each needs 10,000 cycles and 100 ns of the channel; together they take turns."""
    both = play(client_plan("lpddr4", True, True))
    apart = play(client_plan("reram_mlc2", True, True))
    stream, load = (play(client_plan("lpddr4", s, not s)) for s in (True, False))
    turns = intervals(both, "dma")
    assert [end - start for start, end in turns] == [10_100 * N16_CYCLE] * 2
    assert turns[1][0] == turns[0][1]
    alone = [intervals(log, "dma")[-1][1] for log in (stream, load)]
    assert turns[-1][1] > max(alone)
    assert both.duration_ticks > max(stream.duration_ticks, load.duration_ticks)
    assert shared_ticks(*([pair] for pair in intervals(apart, "dma"))) > 9_900 * N16_CYCLE
    assert apart.duration_ticks < both.duration_ticks


@pytest.mark.parametrize(
    ("overrides", "slots"),
    [({"buffers.operand0.ports": "1RW"}, 2), ({}, 1)],
)
def test_removing_a_buffer_half_ends_the_overlap_of_dma_and_product(
    overrides: dict[str, object], slots: int
) -> None:
    halves = play(product_plan(rows=64))
    single = play(product_plan(rows=64, slots=slots), toy_chip(overrides=overrides))
    assert shared_ticks(intervals(halves, "dma"), intervals(halves, "pu")) > 600 * N16_CYCLE
    assert shared_ticks(intervals(single, "dma"), intervals(single, "pu")) == 0
    lost = single.duration_ticks - halves.duration_ticks
    assert lost > 600 * N16_CYCLE


def test_the_mapper_gives_a_single_ported_memory_one_slot() -> None:
    chip = toy_chip(overrides={"buffers.operand0.ports": "1RW"})
    assert Mapper(bert_like(SHAPE), chip).layer(1, 32).stream_slots == 1


def stall_durations(depth_of: str) -> list[int]:
    """Ticks of one product of 4 × 4 tiles with one, two and three buffers."""
    plan = product_plan(chunks=1, bits=64)
    return [play(plan, toy_chip(overrides={depth_of: d})).duration_ticks for d in (1, 2, 3)]


def test_one_tile_buffer_stalls_every_tile_and_a_second_moves_the_stall_away() -> None:
    """16 rows, 64 × 64 weights at n = 16: 16 tiles of 16 cycles; fetch and MAC in turn take 32."""
    durations = stall_durations("pu.operand_tile_buffers")
    assert durations[0] - durations[1] == (16 - 1) * 16 * N16_CYCLE
    assert durations[1] == durations[2]


def test_one_accumulator_stalls_every_output_tile_for_its_drain() -> None:
    """Four output tiles; each next one starts its MACs a drain of 16 cycles later, of which the
    second tile buffer hides none because fetch waits for it too.
    """
    durations = stall_durations("pu.accumulator_buffers")
    assert durations[0] - durations[1] == (4 - 1) * 16 * N16_CYCLE
    assert durations[1] == durations[2]


CHIPS: dict[str, dict[str, object]] = {
    "as shipped": {},
    "spilling": {"buffers.operand0.data": "12 KiB", "buffers.operand1.data": "12 KiB",
                 "dma.chunk": "1 KiB"},
    "single ports": {"buffers.operand0.ports": "1RW", "buffers.operand1.ports": "1RW"},
    "heads overlap": {"sfu.overlap": "per_head"},
    "host ops": {"pu.activation_functions": [], "sfu.vector_ops": []},
    "odd clock": {"clock.frequency": "700 MHz"},
    "slow port": {"storage.lpddr4.port": "8 bit"},
}  # fmt: skip


def test_the_spilling_chip_spills() -> None:
    plan = Mapper(bert_like(SHAPE), toy_chip(overrides=CHIPS["spilling"])).layer(1, 32)
    assert plan.spilled_tensors


@pytest.mark.parametrize("name", CHIPS)
def test_the_critical_path_through_the_timeline_sums_to_the_total(name: str) -> None:
    log = played(toy_chip(overrides=CHIPS[name]))
    path = critical_path(log)
    assert path[0][0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(path))
    assert sum(end - start for start, end, *_ in path) == log.duration_ticks
    assert {unit for *_, unit, _ in path} >= {"host", "pu", "sfu"}


@pytest.mark.parametrize("name", CHIPS)
def test_no_channel_and_no_unit_does_two_things_at_once(name: str) -> None:
    log = played(toy_chip(overrides=CHIPS[name]))
    for unit in ("host", "pu", "sfu", "lpddr4"):
        pairs = intervals(log, unit)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(pairs)), unit


@pytest.mark.parametrize("bits", [64, 8192, 8256, 100_000])
def test_a_product_starts_on_the_tick_its_chunk_arrives_and_not_before(bits: int) -> None:
    log = play(product_plan(chunks=1, bits=bits))
    ((_, arrived),) = intervals(log, "dma")
    issued = min(end for _, end in intervals(log, "host"))
    started = intervals(log, "pu")[0][0]
    assert arrived == (100 + math.ceil(bits / 64)) * N16_CYCLE
    assert issued == 9 * 4 * N16_CYCLE
    assert started == max(arrived, issued)


def test_each_chunk_gates_the_next_piece_of_its_product() -> None:
    log = play(product_plan(bits=640_000))
    arrivals = [end for _, end in intervals(log, "dma")]
    starts = [start for start, _ in intervals(log, "pu")]
    assert starts[:4] == arrivals


def test_a_slot_that_is_freed_at_t_takes_the_next_chunk_at_t() -> None:
    log = play(product_plan(rows=512, slots=1))
    fetched = [end for _, end in intervals(log, "pu")][:3]
    assert [start for start, _ in intervals(log, "dma")][1:] == fetched


def test_a_stream_without_slots_deadlocks_and_says_who_waits_for_what() -> None:
    with pytest.raises(DeadlockError) as caught:
        play(product_plan(slots=0))
    message = str(caught.value)
    assert "layer 1" in message
    assert "weight stream waits for a free slot for mm" in message
    assert "mm waits for weight chunk 0" in message


def test_parameters_that_never_come_deadlock_too() -> None:
    norm = PlannedOp("norm", "layernorm", "sfu", 4, 16, 16, medium="lpddr4", parameter_bits=256)
    with pytest.raises(DeadlockError, match="norm waits for its parameters"):
        play(SegmentPlan("layer 1", 1, 4, (norm,), stream_slots=0))


def test_a_stream_that_nobody_reads_is_unfinished_work() -> None:
    """Parameters of an op on the host fill both slots and are never taken out again."""
    ops = tuple(
        PlannedOp(f"op{i}", "gelu", "host", 1, 1, 1, medium="lpddr4", parameter_bits=64)
        for i in range(3)
    )
    with pytest.raises(DeadlockError, match="weight stream waits for a free slot for op2"):
        play(SegmentPlan("layer 1", 1, 1, tuple(
            dataclasses.replace(op, rows=10_000) for op in ops)))  # fmt: skip
