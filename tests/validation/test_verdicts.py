"""Verdicts by standing, and the command around them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgesim.cli import main
from edgesim.errors import InputError
from edgesim.validation import comparison
from edgesim.validation.comparison import validate
from edgesim.validation.entropies import FILE_NAME, authors_workload
from edgesim.validation.figure import TOLERANCES, Figure
from edgesim.validation.text import comparison_text
from edgesim.validation.verdict import Simulated, judge

FIGURE = Figure("f", "g", "w", "derived", "s", "ms", 100.0, "matmul_ms", {"vector_size": 16})
AUTHORS = Path(__file__).parents[3] / "shared" / "data" / "edgebert_entropy"


def verdict(standing: str, simulated: float | None, **changes: object) -> str:
    figure = replace(FIGURE, standing=standing, **changes)  # type: ignore[arg-type]
    return judge(figure, Simulated(simulated)).verdict


@pytest.mark.parametrize(("standing", "reach"), [("published", 5.0), ("derived", 10.0)])
def test_a_judged_row_passes_up_to_its_tolerance_and_is_out_behind_it(
    standing: str, reach: float
) -> None:
    for sign in (1, -1):
        assert verdict(standing, 100 + sign * reach) == "pass"
        assert verdict(standing, 100 + sign * (reach + 1e-6)) == "out"


def test_an_executed_row_is_exact_unless_it_is_a_listed_exception() -> None:
    assert verdict("executed", 100.0) == "pass"
    assert verdict("executed", 101.0) == "out"
    assert verdict("executed", 101.0, bound=1.0, cause="c") == "pass"
    assert verdict("executed", 102.0, bound=1.0, cause="c") == "out"


@pytest.mark.parametrize("standing", [name for name, t in TOLERANCES.items() if t is None])
def test_the_other_standings_are_shown_however_far_off(standing: str) -> None:
    assert verdict(standing, 100.0) == verdict(standing, 1e9) == "shown"


def test_an_input_of_the_model_is_fitted_and_what_is_missing_is_shown() -> None:
    assert verdict("published", 100.0, input_of_model="pu.n16.mac_energy_pj") == "fitted"
    assert verdict("published", 900.0, input_of_model="pu.n16.mac_energy_pj") == "fitted"
    assert verdict("derived", None) == "shown"


def test_a_row_that_is_out_ends_the_command_with_1_and_stays_visible(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(FIGURE, value=10.0, cause="set wrong for this test")
    monkeypatch.setattr(comparison, "all_figures", lambda: (wrong,))
    assert main(["validate"]) == 1
    text = capsys.readouterr().out
    assert "out" in text
    assert "set wrong for this test" in text
    assert text.splitlines()[-1] == "1 rows: pass 0, out 1, fitted 0, shown 0"


def test_the_whole_comparison_holds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "v.json"
    assert main(["validate", "--json", str(target)]) == 0
    record = json.loads(target.read_text())
    assert record["counts"]["out"] == 0
    assert sum(record["counts"].values()) == len(record["rows"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{len(record['rows'])} rows: pass {record['counts']['pass']}, out 0")
    missing = [row for row in record["rows"] if row["simulated"]["value"] is None]
    assert missing
    assert all("--entropies" in row["simulated"]["note"] for row in missing)
    assert {row["verdict"] for row in missing} == {"shown"}


@pytest.mark.skipif(not (AUTHORS / FILE_NAME).is_file(), reason="the authors' entropies are absent")
def test_exits_of_the_authors_sentences_are_those_that_were_recomputed() -> None:
    chosen = [f for f in comparison.all_figures() if f.id.startswith(("exits.av", "forecast."))]
    rows = validate(AUTHORS, chosen).rows
    assert [row.verdict for row in rows if row.figure.standing == "derived"] == ["pass"] * 3
    assert all(abs(row.difference or 0.0) < 1e-3 for row in rows)


def test_entropies_of_another_form_are_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--entropies", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    with pytest.raises(InputError, match="sw/Entropy_LUT of github harvard-acc/EdgeBERT"):
        authors_workload(tmp_path)
    (tmp_path / FILE_NAME).write_text("0.1, 0.2\n0.3, 0.4\n")
    with pytest.raises(InputError, match="2 columns; 12 columns"):
        authors_workload(tmp_path)
    (tmp_path / FILE_NAME).write_text("not, numbers\n")
    with pytest.raises(InputError, match="no table of comma-separated numbers"):
        authors_workload(tmp_path)


def test_families_of_equal_rows_share_a_line_unless_every_row_is_wanted() -> None:
    figures = [f for f in comparison.all_figures() if f.id.startswith("systemc.cycles.dvfs")]
    figures += [f for f in comparison.all_figures() if f.id.startswith("systemc.cycles.entropy")]
    found = validate(None, figures)
    assert "entropy: 12 rows" in comparison_text(found)
    assert len(comparison_text(found, every_row=True).splitlines()) == 2 + len(figures) + 2
