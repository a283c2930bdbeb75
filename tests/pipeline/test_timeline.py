"""Timelines against the event logs that they were drawn from."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_traces import BertShape, bert_like, toy_chip

import edgesim as es
from edgesim.errors import InputError
from edgesim.ir.request import RunRequest
from edgesim.pipeline.opening import PlayedRun, open_run
from edgesim.pipeline.timeline import timeline_content, write_timeline

CHIPS = (
    toy_chip(),
    toy_chip("edgebert-n8", {"sfu.overlap": "per_head"}),
    toy_chip(
        overrides={
            "buffers.operand0.data": "4 KiB", "buffers.operand1.data": "1 KiB",
            "dma.chunk": "1 KiB",
        }
    ),
    toy_chip("edgebert-hls"),
)  # fmt: skip
"""As shipped, with overlapping units, with spilled activations, with host ops and single ports."""


def played(chip_number: int, threshold: float | None = 0.3) -> PlayedRun:
    """Three sentences on a toy model; without threshold at full depth."""
    trace = bert_like(BertShape(density=0.5, seed=3))
    entropies = np.array([[0.5, 0.1], [0.2, 0.6], [0.6, 0.5]])
    workload = es.Workload("toy", np.array([5, 9, 12]), entropies, None, None)
    request = RunRequest.of(workload=workload, exit_threshold=threshold)
    return open_run(request, trace, CHIPS[chip_number]).played


def ticks(microseconds: float) -> int:
    """The tick of a time in the file; a time between two ticks is an error."""
    found = round(microseconds * 1e6)
    assert microseconds == pytest.approx(found / 1e6, rel=1e-15, abs=0)
    return found


def rows_of(content: dict[str, Any], sentence: int) -> dict[str, list[dict[str, Any]]]:
    """Events with duration of one sentence by the name of their row."""
    events = content["traceEvents"]
    names = {
        event["tid"]: event["args"]["name"]
        for event in events
        if event["ph"] == "M" and event["name"] == "thread_name" and event["pid"] == sentence
    }
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for event in events:
        if event["ph"] == "X" and event["pid"] == sentence:
            rows[names[event["tid"]]].append(event)
    return rows


def spans(events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return sorted((ticks(e["ts"]), ticks(e["ts"]) + ticks(e["dur"])) for e in events)


@pytest.mark.parametrize("chip_number", range(len(CHIPS)))
@pytest.mark.parametrize("sentence", [1, 2, 3])
def test_every_unit_is_busy_when_its_event_log_says_so(chip_number: int, sentence: int) -> None:
    run = played(chip_number)
    rows = rows_of(timeline_content(run, [sentence]), sentence)
    expected: dict[str, list[tuple[int, int]]] = {}
    begin = 0
    for index in run.run.sentence_segments[sentence - 1]:
        log = run.run.segments[index].log
        for unit, start, end in zip(log.unit, log.start_ticks, log.end_ticks, strict=True):
            if end > start:
                found = expected.setdefault(log.unit_names[unit], [])
                found.append((begin + int(start), begin + int(end)))
        begin += log.duration_ticks
    drawn: dict[str, list[tuple[int, int]]] = {}
    for name, events in rows.items():
        if name not in ("segments", "exit"):
            drawn.setdefault(name.split()[0], []).extend(spans(events))
    assert {unit: sorted(v) for unit, v in drawn.items()} == {
        unit: sorted(v) for unit, v in expected.items()
    }


@pytest.mark.parametrize("chip_number", range(len(CHIPS)))
def test_nothing_overlaps_on_a_row_that_does_one_thing_at_a_time(chip_number: int) -> None:
    content = timeline_content(played(chip_number), [1, 2, 3])
    for sentence in (1, 2, 3):
        for name, events in rows_of(content, sentence).items():
            ordered = spans(events)
            late = [(a, b) for a, b in pairwise(ordered) if a[1] > b[0]]
            assert not late, name


@pytest.mark.parametrize("threshold", [0.3, None])
def test_segments_follow_each_other_without_gap_and_sum_to_the_latency(
    threshold: float | None,
) -> None:
    run = played(0, threshold)
    for sentence, latency in enumerate(run.run.latency_ticks(), start=1):
        found = spans(rows_of(timeline_content(run, [sentence]), sentence)["segments"])
        assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
        assert found[0][0] == 0
        assert sum(end - start for start, end in found) == latency


def test_a_transfer_is_drawn_on_the_channel_of_its_medium() -> None:
    rows = rows_of(timeline_content(played(0), [2]), 2)
    channels = {name for name in rows if name.startswith("dma")}
    assert channels == {"dma lpddr4", "dma reram_mlc2"}
    for channel in channels:
        assert spans(rows[channel]) == spans(rows[channel.removeprefix("dma ")])


def test_counts_and_bits_of_all_events_sum_to_those_of_the_log() -> None:
    run = played(2)
    rows = rows_of(timeline_content(run, [3]), 3)
    drawn: Counter[str] = Counter()
    for name, events in rows.items():
        for event in events if name != "segments" else []:
            drawn.update(event["args"].get("counts", {}))
            unit = name.split()[0]
            drawn[f"{unit}.{event['args']['action']}_span"] += event["args"]["count"]
            drawn[f"{unit}.{event['args']['action']}_span_bits"] += event["args"].get("bits", 0)
    logged: Counter[str] = Counter()
    for index in run.run.sentence_segments[2]:
        log = run.run.segments[index].log
        for at in range(len(log)):
            name = f"{log.unit_names[log.unit[at]]}.{log.action_names[log.action[at]]}"
            count, bits = int(log.count[at]), int(log.bits[at])
            if log.end_ticks[at] > log.start_ticks[at]:
                logged[f"{name}_span"] += count
                logged[f"{name}_span_bits"] += bits
            else:
                logged[f"{name}_bits" if bits else name] += bits or count
    assert +drawn == +logged


def test_ops_carry_the_shape_that_the_model_gives_them() -> None:
    rows = rows_of(timeline_content(played(0), [2]), 2)
    shapes = {event["name"]: event["args"]["shape"] for event in rows["pu"]}
    assert shapes["layer1.q"] == "9 x 64 x 64"
    assert shapes["layer1.up"] == "9 x 64 x 128"
    assert shapes["layer1.scores"] == "9 x 16 x 9"
    assert shapes["layer1.context"] == "9 x 9 x 16"
    special = {event["name"]: event["args"]["shape"] for event in rows["sfu"]}
    assert special["layer1.softmax"] == "9 x 9"
    assert special["layer1.norm1"] == "9 x 64"


def test_exit_decisions_show_what_was_compared() -> None:
    content = timeline_content(played(0), [1, 2, 3])
    decisions = [event for event in content["traceEvents"] if event["ph"] == "i"]
    seen = sorted(
        (e["pid"], e["args"]["layer"], e["args"]["entropy_nats"], e["args"]["leaves"])
        for e in decisions
    )
    assert seen == [
        (1, 1, 0.5, False), (1, 2, 0.1, True), (2, 1, 0.2, True), (3, 1, 0.6, False),
        (3, 2, 0.5, True),
    ]  # fmt: skip
    assert {event["args"]["threshold_nats"] for event in decisions} == {0.3}


def test_times_never_step_back_and_the_file_is_plain_json(tmp_path: Path) -> None:
    run = played(1, math.inf)
    path = tmp_path / "t.json"
    write_timeline(path, timeline_content(run, [2, 1]))
    loaded = json.loads(path.read_text(), parse_constant=pytest.fail)
    times = [event["ts"] for event in loaded["traceEvents"]]
    assert times == sorted(times)
    assert {event["ph"] for event in loaded["traceEvents"]} == {"M", "X", "i"}
    named = {
        (event["pid"], event["tid"])
        for event in loaded["traceEvents"]
        if event["name"] == "thread_name"
    }
    used = {(e["pid"], e["tid"]) for e in loaded["traceEvents"] if e["ph"] != "M"}
    assert used <= named
    assert loaded == timeline_content(run, [2, 1])


def test_a_timeline_does_not_appear_where_it_cannot_be_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sentences 1 to 3"):
        timeline_content(played(0), [4])
    trace = bert_like(BertShape())
    with pytest.raises(InputError, match="tx2-maxn is of kind gpu"):
        es.timeline(trace, es.load_chip("tx2-maxn"), tmp_path / "t.json", pad_to=8)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_timeline_of_the_run_that_it_reports(tmp_path: Path) -> None:
    path, result = tmp_path / "t.json", tmp_path / "r.json"
    command = [
        sys.executable, "-m", "edgesim.cli", "run", "minilm-sst2-ee", "--exit-threshold", "0.24",
        "--timeline", str(path), "--timeline-sentence", "2", "5", "--json", str(result),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    content = json.loads(path.read_text())
    sentences = json.loads(result.read_text())["sentences"]
    assert content["otherData"]["sentences"] == [2, 5]
    for number in (2, 5):
        found = spans(rows_of(content, number)["segments"])
        assert found[-1][1] / 1e12 == pytest.approx(sentences[number - 1]["latency_s"])
