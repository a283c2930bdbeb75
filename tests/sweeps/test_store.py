"""The store: commits, versions, sharing, pruning, and a real process killed at random."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edgesim.errors import InputError
from edgesim.sweeps.outcome import stored_result
from edgesim.sweeps.store import Outcome, Store, SweepRecord

HERE = Path(__file__).parent
KILLS = 20


def outcome(key: str, status: str = "feasible", code: str = "now") -> Outcome:
    return Outcome(key, status, "", {"energy_j": 0.1}, {}, code, 0.0)


def test_what_was_put_is_found_again_value_for_value(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        store.put([outcome("a"), outcome("b", "infeasible"), outcome("c", "failed")])
    with Store(tmp_path / "s.db") as store:
        assert store.known(["a", "b", "c", "d"]) == {
            "a": outcome("a"), "b": outcome("b", "infeasible"),
        }  # fmt: skip
        assert store.counts() == {"feasible": 1, "infeasible": 1, "failed": 1}


def test_a_failure_is_replaced_by_a_result_and_never_the_other_way(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        store.put([outcome("a", "failed")])
        store.put([outcome("a")])
        store.put([outcome("a", "failed")])
        assert store.counts() == {"feasible": 1, "infeasible": 0, "failed": 0}


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Store(path).close()
    with sqlite3.connect(path) as base:
        base.execute("UPDATE meta SET value = '99'")
    with pytest.raises(InputError, match="schema 99"):
        Store(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database at all, but a text that is long enough\n" * 20)
    with pytest.raises(InputError, match="not a store"):
        Store(text)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as base:
        base.execute("CREATE TABLE other (x)")
    with pytest.raises(InputError, match="something else"):
        Store(foreign)
    with pytest.raises(InputError, match="no such store"):
        Store(tmp_path / "none.db", create=False)


def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as one, Store(tmp_path / "s.db") as two:
        for number in range(50):
            (one if number % 2 else two).put([outcome(str(number))])
        assert one.counts() == two.counts() == {"feasible": 50, "infeasible": 0, "failed": 0}


def test_pruning_drops_failures_and_other_code(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        store.put([outcome("a"), outcome("b", code="old"), outcome("c", "failed")])
        store.enter(SweepRecord("x", "x", {"constraints": []}), [("b", 0, {}), ("a", 1, {})])
        assert store.prune("now") == 2
        assert [m.outcome for m in store.members("x")] == [outcome("a")]


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        pages = store._read("PRAGMA page_count", ())[0][0]
        store._read(f"PRAGMA max_page_count = {pages + 2}", ())
        with pytest.raises(InputError, match="disk is full"):
            store.put([outcome(f"{i}" * 50) for i in range(999)])
        assert store.counts()["feasible"] == 0


def test_a_process_killed_at_twenty_random_moments_loses_no_finished_point(tmp_path: Path) -> None:
    """Children of `kill_target` are killed; every point they called committed is kept."""
    path = tmp_path / "s.db"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "kill_target.py"), str(path), str(KILLS)]
    lines = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    said, kept = 0, []
    for line in lines:
        said += line == "point"
        assert line != "broken"
        if line.startswith("kept"):
            kept.append(int(line.split()[1]))
            assert kept[-1] >= said
            said = kept[-1]
    assert len(kept) == KILLS
    assert kept == sorted(kept)
    assert len(set(kept)) > KILLS / 4, "many kills fell into the work"
    assert said == 800, "what was kept was not computed again"
    result = stored_result(path)
    assert result.counts == {"feasible": 800, "infeasible": 0, "failed": 0, "missing": 0}
