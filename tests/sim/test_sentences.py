"""Sentences as sequences of segments: composition, length, exits, spilled rows, same bytes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_traces import BertShape, bert_like, toy_chip

from edgesim.errors import InputError
from edgesim.ir.run import SimulationRun
from edgesim.mapping.planner import Mapper
from edgesim.sim.player import simulate_segment
from edgesim.sim.workload_run import WorkloadSimulator
from edgesim.tech import load_technology

SHAPE = BertShape(width=32, heads=2, hidden=64, layers=3, vocabulary=640, max_tokens=64)


def run(
    tokens: list[int], layers: list[int], early: bool, shape: BertShape = SHAPE,
    overrides: dict[str, object] | None = None, ids: list[list[int]] | None = None,
) -> SimulationRun:  # fmt: skip
    chip = toy_chip(overrides=overrides)
    simulator = WorkloadSimulator(Mapper(bert_like(shape), chip), chip, load_technology())
    token_ids = None if ids is None else [np.array(row) for row in ids]
    ramps = "every" if early else "last"
    return simulator.run(np.array(tokens), np.array(layers), ramps, token_ids)


def labels(found: SimulationRun, sentence: int) -> list[str]:
    return [found.segments[i].label for i in found.sentence_segments[sentence]]


def test_an_exit_at_layer_two_pays_the_first_two_ramps_and_no_more() -> None:
    found = run([10], [2], early=True)
    assert labels(found, 0) == ["embedding", "layer 1", "off-ramp 1", "layer 2", "off-ramp 2"]


def test_with_exits_off_only_the_last_ramp_runs() -> None:
    found = run([10], [3], early=False)
    assert labels(found, 0) == ["embedding", "layer 1", "layer 2", "layer 3", "off-ramp 3"]


def test_a_model_without_ramps_runs_its_layers_alone() -> None:
    found = run([10], [3], early=False, shape=dataclasses.replace(SHAPE, exits=False))
    assert labels(found, 0) == ["embedding", "layer 1", "layer 2", "layer 3"]


def test_a_sentence_takes_what_its_segments_take_one_after_another() -> None:
    tokens, layers = [3, 17, 30, 17], [3, 1, 2, 1]
    found = run(tokens, layers, early=True)
    chip, technology = toy_chip(), load_technology()
    mapper = Mapper(bert_like(SHAPE), chip)
    for sentence, (length, leave) in enumerate(zip(tokens, layers, strict=True)):
        plans = [mapper.embedding(length, None)]
        for index in range(1, leave + 1):
            plans += [mapper.layer(index, length), mapper.ramp(index, length)]
        alone = sum(simulate_segment(plan, chip, technology).duration_ticks for plan in plans)
        assert found.latency_ticks()[sentence] == alone


def test_equal_segments_are_played_once_and_counted_as_often_as_they_run() -> None:
    found = run([17, 17, 30], [2, 3, 1], early=True)
    assert found.sentence_segments[0] == found.sentence_segments[1][:5]
    assert len(found.segments) == 7 + 3
    assert found.segment_counts().sum() == sum(len(s) for s in found.sentence_segments)


def test_longer_sentences_and_later_exits_never_cost_less() -> None:
    tokens = list(range(1, 65))
    by_length = run(tokens, [3] * 64, early=True).latency_ticks()
    assert (np.diff(by_length) >= 0).all()
    assert by_length[-1] > by_length[0]
    by_layer = run([20] * 3, [1, 2, 3], early=True).latency_ticks()
    assert (np.diff(by_layer) > 0).all()
    full = run([20], [3], early=False).latency_ticks()[0]
    assert full < by_layer[-1]


def test_a_sentence_reads_its_own_rows_and_says_how_many_lay_behind_the_first_medium() -> None:
    small = {"storage.reram.capacity": "12 KiB"}
    chip = toy_chip(overrides=small)
    table = Mapper(bert_like(SHAPE), chip).placement.tables["token"]
    media = table.media_of(np.arange(640))
    near, far = (np.flatnonzero(media == number)[:4].tolist() for number in (0, 1))
    assert len(near) == len(far) == 4
    found = run([4, 4, 4], [1] * 3, True, overrides=small, ids=[near, far, [*near[:2], *far[:2]]])
    assert found.embedding_spill_rows.tolist() == [0, 4, 2]
    times = found.latency_ticks()
    assert times[0] < times[2] < times[1]


def test_a_sentence_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="65 tokens; the model allows 64"):
        run([3, 65], [1, 1], early=True)


def test_host_time_of_a_segment_is_that_of_ops_the_chip_lacks() -> None:
    lacking = run([16], [1], True, overrides={"pu.activation_functions": []})
    by_label = {s.label: s for s in lacking.segments}
    assert by_label["layer 1"].host_ticks == 16 * 64 * 4 * 1000
    assert all(segment.host_ticks == 0 for segment in run([16], [1], True).segments)


def test_two_processes_write_the_same_bytes() -> None:
    program = (
        f"import sys, hashlib; sys.path[:0] = [{str(Path(__file__).parent)!r},"
        f" {str(Path(__file__).parents[1])!r}]\n"
        "import test_sentences as tests\n"
        "small = {'buffers.operand0.data': '3 KiB', 'buffers.operand1.data': '3 KiB',"
        " 'dma.chunk': '512 B', 'sfu.overlap': 'per_head'}\n"
        "found = tests.run([3, 40, 17], [3, 1, 2], True, overrides=small)\n"
        "digest = hashlib.sha256()\n"
        "for segment in found.segments:\n"
        "    log = segment.log\n"
        "    digest.update(repr((log.name, log.unit_names, log.action_names, log.op_names,"
        " log.duration_ticks)).encode())\n"
        "    for column in (log.start_ticks, log.end_ticks, log.unit, log.action, log.op,"
        " log.count, log.bits):\n"
        "        digest.update(column.tobytes())\n"
        "print(len(found.segments), digest.hexdigest())\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith("15 ")
