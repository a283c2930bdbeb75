"""Tiles outside a head's span: left out only where a chip declares it, in time, work and bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.errors import ChipError
from edgesim.ir.optrace import Layer, OpTrace
from edgesim.mapping.bounds import segment_bound
from edgesim.mapping.planner import Mapper
from edgesim.sim.analytic import segment_ticks
from edgesim.sim.player import simulate_segment
from edgesim.tech import load_technology

SHAPE = BertShape(width=64, heads=4, hidden=128, layers=1)
SPANS = (3, None, 20, 200)
SKIPPED: dict[str, object] = {"pu.outside_band": "skipped"}


def spanned(spans: tuple[int | None, ...] = SPANS) -> OpTrace:
    """The toy encoder with attention spans."""
    trace = bert_like(SHAPE)
    ops = tuple(
        replace(op, spans=spans) if op.kind == "attention_scores" else op
        for op in trace.layers[0].ops
    )
    return replace(trace, layers=(Layer(1, ops, trace.layers[0].ramp),))


def counts(
    trace: OpTrace, overrides: dict[str, object], kind: str, n: int, tokens: int
) -> dict[tuple[str, str], int]:
    """Counts and bits of one product of the layer."""
    chip = toy_chip(f"edgebert-n{n}", overrides)
    plan = Mapper(trace, chip).layer(1, tokens)
    log = simulate_segment(plan, chip, load_technology())
    name = next(op.name for op in plan.ops if op.kind == kind)
    found: dict[tuple[str, str], int] = {}
    for row in log.activity():
        if row.op == name:
            key = (row.unit, row.action)
            found[key] = found.get(key, 0) + row.count + row.bits
    return found


@pytest.mark.parametrize("n", [4, 16])
@pytest.mark.parametrize("num_tokens", [9, 64, 100])
def test_only_a_chip_that_declares_it_is_faster(n: int, num_tokens: int) -> None:
    technology, trace = load_technology(), spanned()
    ticks = []
    for overrides in ({}, SKIPPED):
        chip = toy_chip(f"edgebert-n{n}", overrides)
        plan = Mapper(trace, chip).layer(1, num_tokens)
        ticks.append(simulate_segment(plan, chip, technology).duration_ticks)
    whole = simulate_segment(
        Mapper(bert_like(SHAPE), toy_chip(f"edgebert-n{n}")).layer(1, num_tokens),
        toy_chip(f"edgebert-n{n}"), technology,
    )  # fmt: skip
    assert ticks[0] == whole.duration_ticks
    assert ticks[1] < ticks[0] if num_tokens > 2 * n else ticks[1] <= ticks[0]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([2, 8, 16]), st.integers(1, 80), st.tuples(*[st.integers(1, 90)] * 4),
    st.sampled_from([1, 2, 4]), st.sampled_from(["none", "per_head"]),
)  # fmt: skip
def test_the_twin_agrees_and_nothing_beats_the_roofline(
    n: int, num_tokens: int, spans: tuple[int, ...], drain: int, overlap: str
) -> None:
    technology = load_technology()
    chip = toy_chip(
        f"edgebert-n{n}",
        {**SKIPPED, "pu.drain_vectors_per_cycle": drain, "sfu.overlap": overlap},
    )
    trace = spanned(spans)
    plan = Mapper(trace, chip).layer(1, num_tokens)
    ticks = simulate_segment(plan, chip, technology).duration_ticks
    twin = segment_ticks(plan, chip, technology)
    assert ticks == twin if overlap == "none" else ticks >= twin
    assert ticks / 1e12 >= segment_bound(plan, trace, chip).seconds


@pytest.mark.parametrize("kind", ["attention_scores", "attention_context"])
def test_macs_and_reads_are_those_of_the_tiles_in_the_band(kind: str) -> None:
    n, tokens, size = 4, 22, 16
    found = counts(spanned(), SKIPPED, kind, n, tokens)
    dots = executed = first = second = 0
    for span in SPANS:
        place = np.arange(tokens)
        pairs = np.abs(place[:, None] - place) < (tokens if span is None else span)
        for row in range(0, tokens, n):
            for column in range(0, tokens, n):
                if not pairs[row : row + n, column : column + n].any():
                    continue
                r, c = min(n, tokens - row), min(n, tokens - column)
                deep = size // n
                dots += n * n * deep
                executed += r * (c * deep if kind == "attention_scores" else size)
                first += r * (size if kind == "attention_scores" else c * deep)
                second += c * size
    assert found["pu", "mac"] == executed * n
    assert found["pu", "mac_gated"] == (dots - executed) * n
    assert found["operand1", "data_read"] == 8 * first
    assert found["operand0", "data_read"] == 8 * second


def test_spans_that_reach_over_the_sentence_change_nothing() -> None:
    for kind in ("attention_scores", "attention_context"):
        wide = (None, 64, 70, 512)
        assert counts(spanned(wide), SKIPPED, kind, 8, 60) == counts(
            bert_like(SHAPE), {}, kind, 8, 60
        )


def test_the_released_array_cannot_declare_it() -> None:
    with pytest.raises(ChipError, match=r"pu\.outside_band.*computes every tile"):
        es.load_chip("edgebert-hls", SKIPPED)


def test_a_run_with_spans_costs_less_on_such_a_chip() -> None:
    results = [
        es.simulate(spanned(), toy_chip("edgebert-n16", o), pad_to=64) for o in ({}, SKIPPED)
    ]
    assert results[1].latency_s.value < results[0].latency_s.value
    assert results[1].energy_j.value < results[0].energy_j.value
