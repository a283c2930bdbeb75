"""What was measured of activations: the file, and what it does to a trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_traces import BertShape, bert_like

from edgesim.errors import InputError
from edgesim.ir.activation_statistics import ActivationStatistics, Measured
from edgesim.ir.trace_file import load_trace, save_trace

TRACE = bert_like(BertShape(layers=1))
NAME = "layer1.add1.out"


def statistics(zeros: str | None = "rows, on a chip") -> ActivationStatistics:
    share = 0.5 if zeros else None
    named = ("0123456789abcdef", 16) if zeros else (None, None)
    return ActivationStatistics("rows", zeros, {NAME: Measured(3.25, share, share)}, *named)


@pytest.mark.parametrize("zeros", [None, "rows, on a chip"])
def test_statistics_survive_their_file_and_a_trace(tmp_path: Path, zeros: str | None) -> None:
    statistics(zeros).save(tmp_path / "s.json")
    read = ActivationStatistics.load(tmp_path / "s.json")
    assert read == statistics(zeros)
    trace = read.applied(TRACE)
    assert trace.tensors[NAME].largest == 3.25
    assert trace.tensors[NAME].density == (0.5 if zeros else 1.0)
    assert (trace.calibration, trace.activation_statistics) == ("rows", zeros)
    assert ActivationStatistics.of(trace) == statistics(zeros)
    save_trace(trace, tmp_path / "t.npz")
    assert ActivationStatistics.of(load_trace(tmp_path / "t.npz")) == statistics(zeros)


def test_ranges_alone_leave_activations_dense() -> None:
    trace = statistics().ranges().applied(TRACE)
    assert trace.tensors[NAME].largest == 3.25
    assert trace.tensors[NAME].density == 1.0
    assert (trace.activation_statistics, trace.zeros_profile) == (None, None)


def test_statistics_of_another_model_are_refused() -> None:
    other = ActivationStatistics("rows", None, {"elsewhere": Measured(1.0)})
    with pytest.raises(InputError, match="name tensors that 'toy' lacks: elsewhere"):
        other.applied(TRACE)


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c | {"kind": "other"},
        lambda c: c | {"tensors": {NAME: [1.0]}},
        lambda c: c | {"tensors": {NAME: [float("nan"), None, None]}},
        lambda c: c | {"tensors": {NAME: [1.0, 1.5, None]}},
        lambda c: c | {"tensors": []},
        lambda c: c | {"zeros_vector_size": 0},
        lambda c: {},
    ],
)
def test_damaged_files_are_one_sentence(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "s.json"
    statistics().save(path)
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))  # type: ignore[operator]
    with pytest.raises(InputError, match="no activation statistics of edgesim"):
        ActivationStatistics.load(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        ActivationStatistics.load(tmp_path / "none.json")
    with pytest.raises(InputError, match="does not exist"):
        statistics().save(tmp_path / "no" / "s.json")


def test_a_trace_without_calibration_has_none() -> None:
    assert ActivationStatistics.of(TRACE).tensors == {}
