"""A request means the same everywhere: `simulate`, a sweep point, and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from chip_cases import sentences, toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgesim as es
from edgesim.cli import main
from edgesim.errors import EdgesimError, InputError
from edgesim.ir.exits import STRATEGIES
from edgesim.ir.figures import FIGURES, INTERVALS
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import ARITHMETICS, RunRequest
from edgesim.ir.workload import Workload
from edgesim.mapping.artifact import mapper_for
from edgesim.pipeline import opening
from edgesim.pipeline.arithmetic import answered
from edgesim.pipeline.models import ModelFolder
from edgesim.sweeps.sentences import spread_subset

SMALL = {"storage.reram.capacity": "1 KiB"}
ChipChoice = tuple[str, dict[str, Any]]
CHIPS: tuple[ChipChoice, ...] = (
    ("edgebert-n16", {}),
    ("edgebert-n16-int8", {}),
    ("edgebert-n8", {"sfu.overlap": "per_head"}),
    ("edgebert-n32", {"pu.accumulator_bits": 24}),
    ("edgebert-n16", {"pu.activation_functions": ["relu"]}),
    ("edgebert-n16", SMALL),
    (
        "edgebert-n16",
        {"placement.encoder_weight": ["reram_slc"], "storage.reram.capacity": "1 KiB"},
    ),
    ("edgebert-hls", {}),
    ("tx2-maxn", {}),
)
"""Arithmetics of their own, spills, weights that do not fit, the released design, and a GPU."""
COLUMNS = (*FIGURES, *(f"{name}_{end}" for name in INTERVALS for end in ("low", "high")))


@cache
def traces() -> tuple[OpTrace, ...]:
    """With values and zeros of activations in a chip's arithmetic; the same as it is stored."""
    measured = es.calibrate(toy(), sentences(5, 12, 20, seed=8), es.load_chip("edgebert-n16"))
    assert measured.zeros_profile is not None
    return measured, replace(measured, values=None)


@cache
def workloads() -> tuple[Workload | None, ...]:
    """None; answers in float32 with ids in order and not; answers in a chip's arithmetic."""
    ids = sentences(3, 5, 8, 12)
    random = np.random.default_rng(0)
    plain = Workload(
        "toy", np.array([len(s) for s in ids]), random.uniform(0, 0.6, (4, 2)),
        random.standard_normal((4, 2, 2)).astype(np.float32), np.arange(4) % 2, tuple(ids),
        in_order=True,
    )  # fmt: skip
    inside, _ = answered(toy(), es.load_chip("edgebert-n16"), plain, "chip")
    assert inside is not None
    return None, plain, replace(plain, in_order=False), replace(inside, in_order=False)


def sometimes(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values, or None half of the time."""
    return st.none() | st.sampled_from(values)


REQUESTS = st.fixed_dictionaries(
    {
        "arithmetic": st.sampled_from(ARITHMETICS[:2]) | st.sampled_from(ARITHMETICS),
        "pad_to": sometimes(12, 20, 7, 100), "precision": st.sampled_from([None] * 6 + ["fp16"]),
        "exit_threshold": sometimes(0.3, 0.0, float("inf")), "exit_layer": sometimes(1, 9),
        "latency_target_fraction": sometimes(1.5), "strategy": sometimes(*STRATEGIES),
    }
)  # fmt: skip


def simulated(
    trace: OpTrace,
    chip: ChipChoice,
    options: dict[str, Any],
    workload: Workload | None,
) -> dict[str, Any]:
    """Figures of `simulate`, or why there are none."""
    try:
        request = RunRequest.of(**options)
        result = es.simulate(
            trace, es.load_chip(*chip), exit_policy=request.exit_policy, pad_to=request.pad_to,
            arithmetic=request.arithmetic, precision=request.precision, strategy=request.strategy,
            latency_target_fraction=options.get("latency_target_fraction"), workload=workload,
        )  # fmt: skip
    except EdgesimError as error:
        return {"status": "infeasible", "reason": str(error)}
    return {"status": "feasible", "reason": "", **result.figures.to_json()}


def swept(
    trace: OpTrace,
    chip: ChipChoice,
    options: dict[str, Any],
    workload: Workload | None,
) -> dict[str, Any]:
    """The same of a sweep with one point."""
    name, overrides = chip
    options = {key: value for key, value in options.items() if value is not None}
    space = es.Space({"chip": [name]}, settings={**overrides, **options})
    (row,) = es.sweep(space, trace, executor="serial", workload=workload).frame.to_dict("records")
    columns = ("status", "reason", *(COLUMNS if row["status"] == "feasible" else ()))
    return {name: None if pd.isna(row[name]) else row[name] for name in columns}


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1), st.integers(0, 3), st.sampled_from(CHIPS), REQUESTS)
def test_a_sweep_point_has_the_figures_of_simulate_and_is_refused_alike(
    trace: int, workload: int, chip: ChipChoice, options: dict[str, Any]
) -> None:
    sentences_of = workloads()[workload]
    expected = simulated(traces()[trace], chip, options, sentences_of)
    assert swept(traces()[trace], chip, options, sentences_of) == expected


def test_a_sweep_drops_zeros_that_were_counted_in_another_arithmetic() -> None:
    trace, int8 = traces()[1], ("edgebert-n16-int8", {})
    options = {"pad_to": 20, "arithmetic": "float32"}
    point = swept(trace, int8, options, None)
    assert point == simulated(trace, int8, options, None)
    assert point["energy_j"] > swept(trace, CHIPS[0], options, None)["energy_j"]


def test_a_sweep_takes_recorded_answers_as_they_are_and_refuses_those_of_another_chip() -> None:
    trace, inside = traces()[1], workloads()[3]
    space = es.Space({"chip": ["edgebert-n16", "edgebert-n16-int8"]}, settings={"pad_to": 20})
    frame = es.sweep(space, trace, workload=inside, executor="serial").frame
    own, foreign = frame.to_dict("records")
    chip = es.load_chip("edgebert-n16")
    result = es.simulate(trace, chip, workload=inside, pad_to=20, arithmetic="chip")
    assert {name: own[name] for name in COLUMNS if not pd.isna(own[name])} == {
        name: value for name, value in result.figures.to_json().items() if value is not None
    }
    assert foreign["status"] == "infeasible"
    assert "in the chip arithmetic of another chip than edgebert-n16-int8" in foreign["reason"]


def test_a_timeline_is_that_of_simulate_where_zeros_do_not_hold() -> None:
    trace, chip = traces()[1], es.load_chip("edgebert-n16-int8")
    events = es.timeline(trace, chip, pad_to=20)["traceEvents"]
    end_us = max(event["ts"] + event["dur"] for event in events if event["ph"] == "X")
    assert end_us * 1e-6 == pytest.approx(es.simulate(trace, chip, pad_to=20).latency_s.value)


@pytest.fixture
def stored(tmp_path: Path) -> list[str]:
    """Arguments of `run` for the stored trace and answers in a chip's arithmetic."""
    es.save_trace(traces()[1], tmp_path / "trace.npz")
    answers = workloads()[3]
    assert answers is not None
    answers.save(tmp_path / "w.npz")
    return [
        "run", str(tmp_path / "trace.npz"), f"--workload={tmp_path / 'w.npz'}",
        "--arithmetic=chip", "--exit-threshold=0.3", f"--json={tmp_path / 'out.json'}",
    ]  # fmt: skip


def test_the_samples_start_from_the_run_that_is_stated(stored: list[str], tmp_path: Path) -> None:
    assert main([*stored, "--chip=edgebert-n32", "--uncertainty=20"]) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    sampled = {row["name"]: row["sampled"] for row in record["uncertainty"]["figures"]}
    assert sampled["chip energy"]["value"] == pytest.approx(record["chip_energy_j"], rel=1e-12)


def test_the_samples_record_nothing_and_map_nothing_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []
    few = Workload("w", np.array([5, 9]), np.array([[0.1] * 6, [0.6] * 6]), None, None)

    def record(self: ModelFolder, sentences: Path) -> Workload:
        calls.append("record")
        return few

    def counted(*arguments: Any) -> Any:
        calls.append("map")
        return mapper_for(*arguments)

    monkeypatch.setattr(ModelFolder, "record", record)
    monkeypatch.setattr(opening, "mapper_for", counted)
    (tmp_path / "s.tsv").write_text("sentence\tlabel\na\t1\n")
    command = ["run", "minilm-sst2-ee", f"--sentences={tmp_path / 's.tsv'}", "--uncertainty=20"]
    assert main(command) == 0
    assert calls == ["record", "map"]


def test_a_precision_is_refused_on_chips_that_have_none(stored: list[str]) -> None:
    for options in ([], ["--timeline=t.json"]):
        assert main([*stored, *options, "--precision=fp16"]) == 2
    with pytest.raises(InputError, match="belongs to a GPU; host-cpu is of kind host-cpu"):
        es.simulate(toy(), es.load_chip("host-cpu"), pad_to=8, precision="fp16")


def test_several_exit_rules_and_faulty_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="exclude each other"):
        RunRequest.of(exit_threshold=0.2, exit_layer=1)
    with pytest.raises(InputError, match=r"pad_to 12\.5: a whole number"):
        es.simulate(toy(), es.load_chip("edgebert-n16"), pad_to=12.5)


def test_a_space_of_models_takes_what_was_recorded_in_each_arithmetic() -> None:
    model = es.find_model("minilm-sst2-ee")
    space = es.Space(
        {"arithmetic": ["float32", "chip"]}, model="minilm-sst2-ee", sentences=20,
        settings={"exit_threshold": 0.24},
    )  # fmt: skip
    frame = es.sweep(space, executor="serial").frame
    for (_, row), name in zip(frame.iterrows(), ("float32", "chip"), strict=True):
        result = es.simulate(
            model.trace(name), es.load_chip("edgebert-n16"), arithmetic=name,
            workload=spread_subset(model.workload(name), 20), exit_policy=es.EntropyExit(0.24),
        )  # fmt: skip
        assert row["energy_j"] == result.energy_j.value
