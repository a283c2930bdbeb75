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


def test_looking_into_a_file_that_is_no_store_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(InputError, match="empty, no store"):
        Store(path, create=False)
    assert path.stat().st_size == 0
    for damage in ("UPDATE meta SET value = 'abc'", "DELETE FROM meta"):
        with Store(tmp_path / "s.db"):
            pass
        with sqlite3.connect(tmp_path / "s.db") as base:
            base.execute(damage)
        with pytest.raises(InputError, match="a store of schema"):
            Store(tmp_path / "s.db")
        (tmp_path / "s.db").unlink()


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


def test_a_file_size_limit_keeps_what_was_put_before(tmp_path: Path) -> None:
    """A real limit of the system, in a process of its own."""
    path = tmp_path / "s.db"
    code = (
        "import resource, sys\n"
        "from edgesim.errors import InputError\n"
        "from edgesim.sweeps.store import Outcome, Store\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "with Store(sys.argv[1]) as store:\n"
        "    for number in range(5000):\n"
        "        put = Outcome(str(number), 'feasible', '', {'x': 'y' * 500}, {}, 'c', 0.0)\n"
        "        try:\n"
        "            store.put([put])\n"
        "        except InputError as error:\n"
        "            sys.exit(f'{number} {error}')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    number, words = ended.stderr.split(maxsplit=1)
    assert "make room and run again, finished points are kept" in words
    assert len(words.splitlines()) == 1
    with Store(path) as store:
        assert store.sound()
        assert store.counts()["feasible"] == int(number) > 10


def test_a_process_killed_at_twenty_random_moments_loses_no_finished_point(tmp_path: Path) -> None:
    """Children of `kill_target` are killed; every point they called committed is kept."""
    path = tmp_path / "s.db"
    paths = os.pathsep.join([str(HERE.parent), str(HERE.parents[1])])
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": paths,
        "OMP_NUM_THREADS": "1",
    }
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


def test_a_store_on_a_read_only_medium_can_be_read_and_says_why_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.db"
    with Store(path) as store:
        store.put([outcome("a")])
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Store(path, create=False) as store:
        assert store.counts()["feasible"] == 1
        with pytest.raises(InputError, match="cannot be written here"):
            store.put([outcome("b")])
    path.with_name("s.db-wal").write_bytes(b"points")
    with pytest.raises(InputError, match="copy both files"):
        Store(path, create=False)
