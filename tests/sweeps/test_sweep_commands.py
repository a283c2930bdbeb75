"""The commands sweep, store and pareto on the shipped model, and the picture of a front."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pandas as pd
import pytest

import edgesim as es
from edgesim.cli import main
from edgesim.plot.front import front_data
from edgesim.sweeps.sentences import spread_subset

SPACE = """\
name: small
model: minilm-sst2-ee
sentences: 3
axes:
  pu.vector_size: [8, 16]
  exit_threshold: [null, 0.24]
constraints: [area_mm2 <= 0.45]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "space.yaml").write_text(SPACE)
    path = folder / "s.db"
    code = main(["sweep", str(folder / "space.yaml"), "--store", str(path), "--executor", "serial"])
    assert code == 0
    return path


def test_show_begins_with_the_count_of_finished_points(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "show", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "4"
    assert lines[1] == "small: 2 feasible, 2 infeasible"
    assert "area_mm2 <= 0.45: is 0.4924" in lines[2]


def test_export_writes_every_point_with_its_choices(store: Path, tmp_path: Path) -> None:
    assert main(["store", "export", str(store), "-o", str(tmp_path / "t.csv")]) == 0
    frame = pd.read_csv(tmp_path / "t.csv")
    assert frame["label"].tolist() == [
        "n=8, full depth", "n=8, exit 0.24", "n=16, full depth", "n=16, exit 0.24",
    ]  # fmt: skip
    assert frame["status"].tolist() == ["feasible"] * 2 + ["infeasible"] * 2


def test_parquet_without_an_engine_names_one(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["store", "export", str(store), "-o", str(tmp_path / "t.parquet")])
    if code == 0:
        assert len(pd.read_parquet(tmp_path / "t.parquet")) == 4
    else:
        assert "pip install pyarrow" in capsys.readouterr().err


def test_pareto_prints_the_front_and_draws_it(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "front.png"
    arguments = ["--minimize", "energy_j", "latency_s", "--maximize", "accuracy"]
    assert main(["pareto", str(store), *arguments, "-o", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "feasible points are on the front of least energy_j" in text
    assert "exit_threshold" in text
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pareto", "STORE"], "needs objectives"),
        (["pareto", "STORE", "--minimize", "enrgy_j"], "did you mean energy_j"),
        (["pareto", "none.db", "--minimize", "energy_j"], "no such store"),
        (["store", "export", "STORE", "-o", "x.xlsx"], ".csv or .parquet"),
        (["store", "export", "STORE", "--sweep", "big", "-o", "x.csv"], "it holds: small"),
        (["sweep", "none.yaml", "--store", "x.db"], "no such space file"),
        (["sweep", "none.yaml"], "--store F"),
        (["sweep", "none.yaml", "-o", "t.xlsx"], ".csv or .parquet"),
        (["sweep", "none.yaml", "-o", "nowhere/t.csv"], "folder nowhere does not exist"),
        (["pareto", "STORE", "--minimize", "energy_j", "-o", "f.png"], "two objectives"),
        (["pareto", "STORE", "--minimize", "energy_j", "latency_s", "-o", "f"], ".png, .svg"),
        (["pareto", "STORE", "--minimize", "energy_j", "latency_s", "-o", "no/f.png"], "folder no"),
    ],
)
def test_bad_requests_are_one_line_and_exit_code_2(
    arguments: list[str], words: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(store) if part == "STORE" else part for part in arguments]
    assert main(given) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == "", "nothing is computed for a request that must fail"


def test_ctrl_c_before_the_first_point_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    with mock.patch("edgesim.sweeps.driver.make_sources", side_effect=KeyboardInterrupt):
        assert main(["sweep", str(path), "--store", str(tmp_path / "s.db")]) == 130
    assert capsys.readouterr().err == (
        "edgesim: interrupted before the first point; nothing is lost\n"
    )
    assert not (tmp_path / "s.db").exists()


def test_prune_keeps_points_of_the_present_code(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "prune", str(store)]) == 0
    assert "0 points dropped" in capsys.readouterr().out


def test_a_picture_names_the_knee_and_the_ends_and_joins_equal_members() -> None:
    frame = pd.DataFrame(
        {
            "energy_j": [1.0, 2.0, 4.0, 4.0, 9.0], "latency_s": [4.0, 2.0, 1.0, 1.0, 9.0],
            "on_front": [True] * 4 + [False], "knee": [False, True, False, False, False],
            "label": list("abcde"),
        }
    )  # fmt: skip
    data = front_data(frame, ["energy_j", "latency_s"])
    assert data["number"].tolist() == [1, 2, 3, 0, 0]
    assert data["label"].tolist()[2] == "c (+1 equal)"


def test_strategy_and_latency_target_are_axes_with_the_figures_of_simulate() -> None:
    model = es.find_model("minilm-sst2-ee")
    sentences = spread_subset(model.workload(), 3)
    axes = {"strategy": ["entropy", "latency-aware"], "latency_target_s": [None, "2 ms", 0.005]}
    result = es.sweep(
        es.Space(axes=axes, settings={"exit_threshold": 0.24}), model.trace(), workload=sentences,
        executor="serial",
    )  # fmt: skip
    rows = result.frame.set_index("label")
    alone = es.simulate(
        model.trace(), es.load_chip("edgebert-n16"), workload=sentences,
        exit_policy=es.EntropyExit(0.24), latency_target_s=0.002, strategy="latency-aware",
    )  # fmt: skip
    row = rows.loc["latency-aware, target 2.00 ms"]
    assert alone.energy_j is not None
    assert row["energy_j"] == alone.energy_j.value
    assert row["latency_s"] == alone.latency_s.value
    assert rows.loc["entropy, target 2.00 ms", "energy_j"] != row["energy_j"]
    assert "needs a latency target" in rows.loc["latency-aware, no target", "reason"]
