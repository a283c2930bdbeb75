"""The ablation of the shipped model: cumulative rows that add up, and what it saves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgesim.cli import main
from edgesim.errors import InputError
from edgesim.hw.loader import load_chip
from edgesim.ir.ablation import Ablation
from edgesim.paths import zoo_path
from edgesim.pipeline.ablation import FOLDER, ROWS_FILE, ablate
from edgesim.report.ablation import ablation_text

MODEL = zoo_path("minilm-sst2-edgebert")


@pytest.fixture(scope="module")
def table() -> Ablation:
    return ablate(MODEL, load_chip("edgebert-n16"))


def test_the_full_recipe_takes_at_most_a_third_and_a_half_of_the_dense_energy(
    table: Ablation,
) -> None:
    assert table.energy_ratio >= 3.5
    product = 1.0
    for row in table.rows:
        product *= row.energy_factor
    assert product == pytest.approx(table.energy_ratio, rel=1e-9)


def test_voltage_scaling_within_the_full_depth_time_saves_only_where_sentences_leave_early(
    table: Ablation,
) -> None:
    *full_depth, last = table.rows
    for row in full_depth:
        assert row.scaled_energy_j == pytest.approx(row.energy_j, rel=1e-3)
        assert row.scaled_accuracy == row.accuracy
    assert table.scaled_energy_ratio >= 5
    assert last.latency_s < last.scaled_latency_s < full_depth[-1].latency_s
    assert last.scaled_accuracy >= full_depth[-1].accuracy - 0.01


def test_the_rows_run_from_dense_at_full_depth_to_early_exit(table: Ablation) -> None:
    first, *_, full, last = table.rows
    assert first.adds == "dense"
    assert first.encoder_zero_fraction < 0.01
    assert first.num_heads_off == 0
    assert {row.average_exit_layer for row in table.rows[:-1]} == {6.0}
    assert last.average_exit_layer < 3
    assert (full.num_heads_off, full.encoder_zero_fraction) == (
        last.num_heads_off, last.encoder_zero_fraction,
    )  # fmt: skip
    assert full.accuracy >= first.accuracy - 0.025
    assert last.accuracy >= full.accuracy - 0.01


def test_what_was_removed_stays_removed(table: Ablation) -> None:
    for before, after in zip(table.rows, table.rows[1:], strict=False):
        assert after.num_heads_off >= before.num_heads_off
        assert after.mean_span_tokens <= before.mean_span_tokens + 1e-9
        assert after.stored_bytes <= before.stored_bytes


def test_the_text_holds_a_line_per_row(table: Ablation) -> None:
    text = ablation_text(table)
    for row in table.rows:
        assert row.adds in text
    assert f"{table.energy_ratio:.2f}x less" in text
    assert f"{table.scaled_energy_ratio:.2f}x less with voltage scaling" in text


def test_a_model_without_ablation_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "minilm-sst2-ee"]) == 2
    error = capsys.readouterr().err
    assert "edgesim ablate" in error
    assert "--work WORK --data DIR" in error
    assert error.count("\n") == 1


def test_half_of_what_a_new_ablation_needs_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "minilm-sst2-edgebert", "--work", "w"]) == 2
    assert "--work DIR and --data DIR belong together" in capsys.readouterr().err


@pytest.mark.parametrize(
    "target", [["--latency-target", "soon"], ["--latency-target-fraction", "0.01"]]
)
def test_a_latency_target_that_cannot_be_is_one_line(
    target: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", "minilm-sst2-edgebert", *target]) == 2
    error = capsys.readouterr().err
    assert "soon" in error or "latency target" in error
    assert error.count("\n") == 1


def test_an_ablation_of_another_schema_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    (folder / FOLDER).mkdir(parents=True)
    shutil.copy(MODEL / "config.json", folder)
    (folder / FOLDER / ROWS_FILE).write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(InputError, match="not an ablation of schema 1"):
        ablate(folder, load_chip("edgebert-n16"))


@pytest.mark.parametrize("file", ["../other/trace.npz", "/etc/x.npz", "ablation/../../x.npz", ""])
def test_a_row_that_names_a_file_outside_its_folder_is_refused(tmp_path: Path, file: str) -> None:
    model = tmp_path / "model"
    (model / FOLDER).mkdir(parents=True)
    shutil.copy(MODEL / "config.json", model)
    rows = json.loads((MODEL / FOLDER / ROWS_FILE).read_text())
    rows["rows"][0]["trace"] = file
    (model / FOLDER / ROWS_FILE).write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"rows\.json: trace: ") as caught:
        ablate(model, load_chip("edgebert-n16"))
    assert "\n" not in str(caught.value)
