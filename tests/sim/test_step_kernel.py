"""Both players of a host program against the twin that plays plans: the same log, row by row."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from timelines import intervals
from toy_traces import BertShape, bert_like, toy_chip
from twins.segment_twin import SegmentTwin

from edgesim.errors import DeadlockError, InfeasibleError
from edgesim.hw.spec import AcceleratorSpec
from edgesim.ir.eventlog import EventLog
from edgesim.ir.optrace import Layer, OpTrace
from edgesim.ir.plan import EmbeddingRead, PlannedOp, SegmentPlan, Spill, WeightChunk
from edgesim.mapping.planner import Mapper
from edgesim.sim import kernels, step_kernel, steps
from edgesim.sim.engine import SegmentEngine
from edgesim.sim.host_program import host_program
from edgesim.sim.kernels import sources_digest
from edgesim.sim.memory import Channels, medium_timing
from edgesim.sim.prologue_programs import ProloguePrograms
from edgesim.sim.step_kernel import _kernel, play_serial
from edgesim.sim.steps import HostProgram
from edgesim.tech import Technology, load_technology
from edgesim.units import period_ticks

TECHNOLOGY = load_technology()
SMALL = BertShape(width=64, heads=4, hidden=128, layers=1, density=0.5)


def program_of(plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology) -> HostProgram:
    timing = [medium_timing(chip, technology, medium) for medium in plan.media]
    return host_program(plan, chip, Channels(timing))


def compiled(
    plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology = TECHNOLOGY,
    every_tile: bool = False,
) -> EventLog | None:  # fmt: skip
    """The log by numba; None where the segment gets stuck."""
    program = program_of(plan, chip, technology)
    assert not program.concurrent
    played = play_serial(program, chip, every_tile)
    period = period_ticks(chip.clock.frequency_hz)
    return None if played is None else program.log(plan.label, played, period)


def simulated(
    plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology = TECHNOLOGY
) -> EventLog:
    """The log by SimPy."""
    program = program_of(plan, chip, technology)
    played = SegmentEngine(plan, program, chip).play()
    return program.log(plan.label, played, period_ticks(chip.clock.frequency_hz))


def assert_same(left: EventLog, right: EventLog) -> None:
    for field in dataclasses.fields(EventLog):
        mine, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype, field.name
            np.testing.assert_array_equal(mine, other, err_msg=field.name)
        else:
            assert mine == other, field.name


def assert_players_agree(
    plan: SegmentPlan, chip: AcceleratorSpec, technology: Technology = TECHNOLOGY
) -> None:
    """Equal logs, or nobody comes to an end."""
    twin = SegmentTwin(plan, chip, technology)
    log = compiled(plan, chip, technology)
    if log is None:
        with pytest.raises(DeadlockError):
            twin.run()
        with pytest.raises(DeadlockError):
            simulated(plan, chip, technology)
    else:
        expected = twin.run()
        assert_same(log, expected)
        assert_same(simulated(plan, chip, technology), expected)


# plans of the mapper -----------------------------------------------------------------------------

MAPPED: dict[str, dict[str, object]] = {
    "roomy": {},
    "spilling": {"buffers.operand0.data": "6 KiB", "buffers.operand1.data": "6 KiB"},
    "tight": {"buffers.operand0.data": "3 KiB", "buffers.operand1.data": "3 KiB"},
    "host ops": {"pu.activation_functions": ["relu"], "sfu.vector_ops": []},
    "tables in DRAM": {"placement.embedding_weight": ["lpddr4"]},
    "one buffer each": {"pu.accumulator_buffers": 1, "pu.operand_tile_buffers": 1},
    "host takes no time": {
        "host.pu_config_writes": 0, "host.sfu_config_writes": 0, "host.pu_interrupt_cycles": 0,
        "host.sfu_interrupt_cycles": 0, "host.status_read_cycles": 0,
        "pu.pipeline_fill_cycles": 0, "sfu.pipeline_fill_cycles": 0,
    },
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(MAPPED)), st.sampled_from([2, 4, 8, 16, 32]), st.integers(1, 70),
    st.sampled_from(["1 GHz", "700 MHz", "1.7 GHz"]), st.sampled_from([8, 24, 64, 512]),
    st.sampled_from(["256 B", "512 B", "16 KiB"]), st.sampled_from(["lpddr4", "reram_slc"]),
    st.sampled_from(["pipelined", "fsm"]),
)  # fmt: skip
def test_mapped_segments_give_the_log_of_the_twin(
    name: str, n: int, num_tokens: int, clock: str, port: int, chunk: str, medium: str,
    schedule: str,
) -> None:  # fmt: skip
    chip = toy_chip(
        f"edgebert-n{n}",
        {"clock.frequency": clock, "storage.lpddr4.port": f"{port} bit", "dma.chunk": chunk,
         "placement.encoder_weight": [medium], "sfu.schedule": schedule, **MAPPED[name]},
    )  # fmt: skip
    mapper = Mapper(bert_like(SMALL), chip)
    ids = np.arange(num_tokens, dtype=np.int64) % SMALL.vocabulary
    try:
        plans = [mapper.embedding(num_tokens, ids), mapper.layer(1, num_tokens),
                 mapper.ramp(1, num_tokens)]  # fmt: skip
    except InfeasibleError:
        assume(False)
    for plan in plans:
        assert_players_agree(plan, chip)


@pytest.mark.parametrize("name", ["spilling", "tight"])
def test_the_cases_that_spill_make_the_stream_and_spills_wait_for_each_other(name: str) -> None:
    """Some transfer begins on the tick another ends, though it is of another op."""
    chip = toy_chip("edgebert-n8", {"dma.chunk": "512 B", **MAPPED[name]})
    plan = Mapper(bert_like(SMALL), chip).layer(1, 48)
    log = compiled(plan, chip)
    assert log is not None
    dma = log.unit == log.unit_names.index("dma")
    ends = dict(zip(log.end_ticks[dma], log.op[dma], strict=True))
    follows = zip(log.start_ticks[dma], log.op[dma], strict=True)
    assert any(start in ends and ends[start] != op for start, op in follows)
    pairs = intervals(log, "lpddr4")
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(pairs))


def test_rows_in_blocks_are_among_the_cases() -> None:
    chip = toy_chip("edgebert-n8", {"dma.chunk": "512 B", **MAPPED["spilling"]})
    orders = {
        op.order
        for length in (16, 48, 70)
        for op in Mapper(bert_like(SMALL), chip).layer(1, length).ops
    }
    assert orders >= {"activation_resident", "row_blocked"}


# plans that no mapper makes ----------------------------------------------------------------------

MEDIA = ("lpddr4", "reram_slc")
spill = st.builds(
    Spill, st.sampled_from(["x", "y"]), st.sampled_from(MEDIA),
    st.sampled_from([0, 64, 6400, 8192, 100_001]), st.integers(1, 3),
)  # fmt: skip
spills = st.lists(spill, max_size=2).map(tuple)
chunk = st.builds(
    WeightChunk, st.integers(1, 3), st.sampled_from([64, 8192, 8256, 50_000]), st.integers(0, 500),
    st.integers(0, 500), st.integers(0, 30),
)  # fmt: skip


@st.composite
def products(draw: st.DrawFn) -> dict[str, Any]:
    chunks = tuple(draw(st.lists(chunk, max_size=5)))
    blocks = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    tiles = sum(piece.column_tiles for piece in chunks) or draw(st.integers(1, 3))
    orders = ["activation_resident", "row_blocked", "weight_blocked"] if chunks else [""]
    return {
        "kind": "matmul", "unit": "pu", "rows": sum(blocks), "reduction": draw(st.integers(1, 90)),
        "columns": tiles * 16 - draw(st.integers(0, 15)), "row_blocks": blocks,
        "chunks": chunks, "medium": draw(st.sampled_from(MEDIA)),
        "order": draw(st.sampled_from(orders)),
        "stores": tuple(draw(st.lists(spill, max_size=1))),
        "repeats": 1 if chunks else draw(st.integers(1, 3)),
    }  # fmt: skip


@st.composite
def other_ops(draw: st.DrawFn) -> dict[str, Any]:
    kind, unit = draw(st.sampled_from([
        ("add", "sfu"), ("layernorm", "sfu"), ("embedding", "sfu"), ("gelu", "host"),
        ("embedding", "host"), ("exit_check", "exit"), ("gelu", "fused"),
    ]))  # fmt: skip
    size = draw(st.integers(1, 40))
    return {
        "kind": kind, "unit": unit, "rows": draw(st.integers(1, 20)), "reduction": size,
        "columns": size, "medium": draw(st.sampled_from(MEDIA)),
        "parameter_bits": draw(st.sampled_from([0, 640])) if kind == "layernorm" else 0,
        "table": "table" if kind == "embedding" else "", "stores": draw(spills),
        "repeats": draw(st.sampled_from([1, 1, 1, 2])) if unit == "sfu" else 1,
    }  # fmt: skip


@st.composite
def segments(draw: st.DrawFn) -> SegmentPlan:
    ops = draw(st.lists(st.one_of(products(), products(), other_ops()), min_size=1, max_size=6))
    planned = tuple(
        PlannedOp(name=f"op{number % 4}", loads=draw(spills),
                  entry_stores=draw(spills) if number == 0 else (), **fields)
        for number, fields in enumerate(ops)
    )  # fmt: skip
    reads = st.builds(EmbeddingRead, st.sampled_from(MEDIA), st.just("table"),
                      st.sampled_from([64, 640, 5000]))  # fmt: skip
    rows = tuple(draw(st.lists(reads, max_size=4)))
    slots = draw(st.sampled_from([1, 2, 2, 2, 3, 0]))
    return SegmentPlan("layer 1", 1, 16, planned, rows, slots)


@settings(max_examples=150, deadline=None)
@given(segments(), st.booleans(), st.sampled_from(["1 GHz", "333 MHz"]), st.booleans())
def test_any_plan_gives_the_log_of_the_twin_or_neither_ends(
    plan: SegmentPlan, idle_host: bool, clock: str, narrow: bool
) -> None:
    overrides: dict[str, object] = {"clock.frequency": clock}
    if idle_host:
        overrides |= MAPPED["host takes no time"]
    if narrow:
        overrides["storage.lpddr4.port"] = "8 bit"
    assert_players_agree(plan, toy_chip(overrides=overrides))


@pytest.mark.parametrize("factor", [1.0, 0.37, 1 / 3, 1e-3])
@pytest.mark.parametrize("bits", [1, 8191, 10**9 + 7, 10**12 + 1])
def test_transfers_of_any_size_take_the_ticks_of_the_medium(factor: float, bits: int) -> None:
    """10^12 ticks a second times 10^12 bits is beyond 64 bits; the kernel divides in two steps."""
    entry = TECHNOLOGY.entry("lpddr4.peak_bandwidth_gb_per_s")
    assert entry.value is not None
    value = entry.value * factor
    technology = TECHNOLOGY.replaced(
        dataclasses.replace(entry, value=value, low=value, high=value)
    )  # fmt: skip
    product = PlannedOp("mm", "matmul", "pu", 16, 16, 16, row_blocks=(16,), medium="lpddr4",
                        chunks=(WeightChunk(1, bits, 1, 1, 1),))  # fmt: skip
    assert_players_agree(SegmentPlan("layer 1", 1, 16, (product,)), toy_chip(), technology)


@pytest.mark.parametrize("n", [2, 16])
def test_playing_every_tile_gives_the_same_log(n: int) -> None:
    chip = toy_chip(f"edgebert-n{n}")
    plan = Mapper(bert_like(SMALL), chip).layer(1, 40)
    skipped, every = compiled(plan, chip), compiled(plan, chip, every_tile=True)
    assert skipped is not None
    assert every is not None
    assert_same(skipped, every)


# lanes that contend for ports and for the host ----------------------------------------------------

CONCURRENT: dict[str, dict[str, object]] = {
    "per head": {"sfu.overlap": "per_head"},
    "one port of weights": {"buffers.operand0.ports": "1RW"},
    "one port of activations": {"buffers.operand1.ports": "1RW"},
    "all": {"sfu.overlap": "per_head", "buffers.operand0.ports": "1RW",
            "buffers.operand1.ports": "1RW"},
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(CONCURRENT)), st.sampled_from(sorted(MAPPED)),
    st.sampled_from([4, 8, 16]), st.integers(1, 60), st.sampled_from([24, 64]),
    st.sampled_from(["sram", "reram_slc"]), st.booleans(),
)  # fmt: skip
def test_lanes_that_contend_give_the_log_of_the_twin(
    concurrent: str, name: str, n: int, num_tokens: int, port: int, medium: str, banded: bool
) -> None:
    overrides: dict[str, object] = {
        "storage.lpddr4.port": f"{port} bit", "dma.chunk": "512 B", **MAPPED[name],
        **CONCURRENT[concurrent],
    }  # fmt: skip
    if medium != "sram":
        overrides |= {"placement.activation": ["sram", medium], "storage.reram.writable": True}
    trace = bert_like(SMALL)
    if banded:
        overrides["pu.outside_band"] = "skipped"
        trace = spanned(trace, (3, None, 20, 200))
    chip = toy_chip(f"edgebert-n{n}", overrides)
    try:
        plan = Mapper(trace, chip).layer(1, num_tokens)
    except InfeasibleError:
        assume(False)
    assert program_of(plan, chip, TECHNOLOGY).concurrent
    assert_same(simulated(plan, chip), SegmentTwin(plan, chip, TECHNOLOGY).run())


def spanned(trace: OpTrace, spans: tuple[int | None, ...]) -> OpTrace:
    """The toy encoder with attention spans."""
    ops = tuple(
        dataclasses.replace(op, spans=spans) if op.kind == "attention_scores" else op
        for op in trace.layers[0].ops
    )
    return dataclasses.replace(trace, layers=(Layer(1, ops, trace.layers[0].ramp),))


@pytest.mark.parametrize("n", [4, 16])
@pytest.mark.parametrize("buffers", ["6 KiB", "128 KiB"])
def test_bands_and_written_pulses_are_played_by_the_compiled_engine(n: int, buffers: str) -> None:
    chip = toy_chip(
        f"edgebert-n{n}",
        {"pu.outside_band": "skipped", "placement.activation": ["sram", "reram_slc"],
         "storage.reram.writable": True, "dma.chunk": "512 B",
         "buffers.operand0.data": buffers, "buffers.operand1.data": buffers},
    )  # fmt: skip
    mapper = Mapper(spanned(bert_like(SMALL), (3, None, 20, 200)), chip)
    for num_tokens in (5, 33, 64):
        plan = mapper.layer(1, num_tokens)
        assert not program_of(plan, chip, TECHNOLOGY).concurrent
        assert_players_agree(plan, chip)


# prologues ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(["reram_slc", "lpddr4"]), st.integers(1, 20))
def test_a_prologue_follows_from_one_that_reads_other_rows(
    data: st.DataObject, medium: str, num_tokens: int
) -> None:
    chip = toy_chip("edgebert-n8", {
        "placement.embedding_weight": [medium] if medium == "lpddr4" else [medium, "lpddr4"],
        "storage.reram.capacity": "2 KiB"})  # fmt: skip
    mapper = Mapper(bert_like(SMALL), chip)
    programs, channels = ProloguePrograms(chip), {}
    for _ in range(4):
        ids = st.integers(0, SMALL.vocabulary - 1)
        rows = data.draw(st.lists(ids, min_size=num_tokens, max_size=num_tokens))
        plan = mapper.embedding(num_tokens, np.array(rows, dtype=np.int64))
        timing = [medium_timing(chip, TECHNOLOGY, medium) for medium in plan.media]
        of_plan = channels.setdefault(plan.media, Channels(timing))
        program = programs.program(plan, of_plan)
        expected = host_program(plan, chip, of_plan)
        assert dataclasses.asdict(program) == dataclasses.asdict(expected)


# compiled code in the cache ----------------------------------------------------------------------


def cache_key(version: int) -> object:
    """What numba files the kernel under, its source file aside."""
    kernel = _kernel(version)
    array = numba.types.Array(numba.int64, 1, "C")
    return kernel._cache._index_key((array, array), kernel.targetctx.codegen())


def test_a_change_of_any_source_of_the_kernel_compiles_it_anew(tmp_path: Path) -> None:
    part = ModuleType("part")
    part.__file__ = str(tmp_path / "part.py")
    digests = []
    for text in ("A = 1", "A = 2", "A = 1"):
        Path(part.__file__).write_text(text)
        digests.append(sources_digest(kernels, part))
    assert digests[0] == digests[2] != digests[1]
    keys = [cache_key(digest) for digest in digests]
    assert keys[0] == keys[2] != keys[1]


def test_the_parts_of_the_kernel_are_what_its_key_is_made_from() -> None:
    """Every module whose functions the kernel calls, beside its own file."""
    used = {value.__module__ for value in vars(step_kernel).values() if hasattr(value, "py_func")}
    assert used - {step_kernel.__name__} == {kernels.__name__, steps.__name__}
