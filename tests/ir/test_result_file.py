"""Results survive their file value for value, and anything else is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_results import accelerator_result, demo_results, gpu_result

from edgesim.errors import InputError
from edgesim.ir.interval import Interval
from edgesim.ir.result import SentenceRow, SimResult


def refusal(record: Any) -> str:
    with pytest.raises(InputError) as caught:
        SimResult.from_json(record, "r.json")
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("index", range(3))
def test_a_saved_result_is_loaded_value_for_value(tmp_path: Path, index: int) -> None:
    result = demo_results()[index]
    result.save(tmp_path / "r.json")
    assert SimResult.load(tmp_path / "r.json") == result


def test_saving_a_loaded_result_gives_the_same_bytes(tmp_path: Path) -> None:
    accelerator_result().save(tmp_path / "a.json")
    SimResult.load(tmp_path / "a.json").save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@given(st.floats(1e-9, 1.0), st.floats(0.0, 1.0), st.floats(1.0, 9.0))
def test_every_float_survives_json(value: float, low: float, high: float) -> None:
    energy = Interval(value, value * low, value * high)
    result = accelerator_result(energy_j=1e-3)
    changed = accelerator_result(energy_j=1e-3, offchip_energy_j=energy)
    text = json.dumps(changed.to_json())
    assert SimResult.from_json(json.loads(text)).offchip_energy_j == energy
    assert SimResult.from_json(json.loads(text)) != result


def test_a_result_without_area_labels_or_exits_is_read_back(tmp_path: Path) -> None:
    row = SentenceRow(12, None, 1e-3, 2e-3, 1e-3, 1e-3, 0.0, None, None)
    result = gpu_result(sentences=(row,), accuracy=None, average_exit_layer=None)
    result.save(tmp_path / "r.json")
    assert SimResult.load(tmp_path / "r.json") == result


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        SimResult.load(tmp_path / "none.json")


@pytest.mark.parametrize("content", ["", "{", "\x00\x01", "[" * 100_000])
def test_a_truncated_or_foreign_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(InputError, match="not JSON"):
        SimResult.load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match=":1: not UTF-8 text"):
        SimResult.load(tmp_path / "r.json")


@pytest.mark.parametrize("record", [[], 3, None, "text"])
def test_json_that_is_no_object_is_refused(record: Any) -> None:
    assert "JSON object of a result is wanted" in refusal(record)


def test_another_schema_is_refused_with_both_versions() -> None:
    message = refusal({**accelerator_result().to_json(), "schema_version": 99})
    assert "schema 99" in message
    assert "reads 1" in message


def test_every_faulty_field_is_named_at_once() -> None:
    record = accelerator_result().to_json()
    del record["chip"]
    record["num_layers"] = "six"
    record["accuracy"] = True
    record["breakdown"][2]["energy_j"] = {"value": 1.0, "low": 2.0, "high": 3.0}
    record["sentences"] = {}
    message = refusal(record)
    for said in (
        "chip: missing", "num_layers: holds 'six'", "accuracy: holds true or false",
        "breakdown[2].energy_j", "low ≤ value ≤ high", "sentences: holds an object",
    ):  # fmt: skip
        assert said in message


def test_a_result_without_sentences_is_refused() -> None:
    assert "sentences: empty" in refusal({**accelerator_result().to_json(), "sentences": []})


def test_a_percentile_is_the_nearest_rank() -> None:
    rows = tuple(
        SentenceRow(9, None, float(i), 1.0, 1.0, 0.0, 0.0, None, None) for i in range(1, 11)
    )
    result = accelerator_result(sentences=rows)
    assert result.percentile("latency_s", 0.50) == 5.0
    assert result.percentile("latency_s", 0.95) == 10.0
    assert result.percentile("latency_s", 0.0) == 1.0
    assert result.percentile("latency_s", 1.0) == 10.0
    assert result.percentile("latency_s", 0.7) == 7.0
