"""The store: one SQLite file of finished points, keyed by the content of what made them.

Write-ahead logging makes every commit whole or absent, whatever happens to the process. Commits
are not flushed to the medium one by one: a power cut may lose the last of them, never the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.errors import InputError
from edgesim.files import json_text, with_number

SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0
FINISHED = ("feasible", "infeasible")
STATUSES = (*FINISHED, "failed")
_POINTS = "points of "
"""Before the id of a sweep: the row of `meta` that holds how many points it has."""
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS points (
  key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, figures TEXT NOT NULL,
  inputs TEXT NOT NULL, code TEXT NOT NULL, seconds REAL NOT NULL, finished_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS sweeps (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, started_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS members (
  sweep TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, choice TEXT NOT NULL,
  PRIMARY KEY (sweep, key));
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one point."""

    key: str
    status: str
    """`feasible`, `infeasible` (with the reason) or `failed` (tried again by the next sweep)."""
    reason: str
    figures: Mapping[str, Any]
    """Empty unless feasible."""
    inputs: Mapping[str, Any]
    """Hashes of trace, workload and chip, the options and the chip's name."""
    code: str
    seconds: float


@dataclass(frozen=True)
class Member:
    """A point of a sweep with what is known about it."""

    sweep: str
    position: int
    choice: Mapping[str, Any]
    outcome: Outcome | None
    """None while the point is missing."""


@dataclass(frozen=True)
class SweepRecord:
    """A sweep that used the store."""

    id: str
    name: str
    description: Mapping[str, Any]


class Store:
    """A store file, made when it is missing. Use it as a context manager."""

    def __init__(self, path: str | Path, create: bool = True) -> None:
        self.path = str(path)
        if self.path != ":memory:":
            self._check_file(Path(path), create)
        with self._errors():
            where, uri = self.path, False
            if not create and _is_read_only(Path(path)):
                where, uri = f"{Path(path).absolute().as_uri()}?immutable=1", True
            self._base = sqlite3.connect(
                where, timeout=BUSY_SECONDS, isolation_level=None, uri=uri
            )  # fmt: skip
            self._base.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
        try:
            self._open(create)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was put is stored already."""
        self._base.close()

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes in one commit; a failed point never replaces a finished one."""
        rows = [
            (o.key, o.status, o.reason, _text(o.figures), _text(o.inputs), o.code, o.seconds,
             time.time())
            for o in outcomes
        ]  # fmt: skip
        self._write(
            "INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "status = excluded.status, reason = excluded.reason, figures = excluded.figures, "
            "inputs = excluded.inputs, code = excluded.code, seconds = excluded.seconds, "
            "finished_at = excluded.finished_at WHERE points.status = 'failed'",
            rows,
        )

    def announce(self, sweep: SweepRecord, points: int) -> None:
        """Note a sweep and how many points it has, before they are entered or after."""
        self._write("INSERT OR IGNORE INTO sweeps VALUES (?, ?, ?, ?)", [_sweep_row(sweep)])
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", [(_POINTS + sweep.id, points)])

    def enter(
        self, sweep: SweepRecord, members: Sequence[tuple[str, int, Mapping[str, Any]]]
    ) -> None:
        """Note a sweep and its points: key, position and choice. Points are entered once."""
        self._write("INSERT OR IGNORE INTO sweeps VALUES (?, ?, ?, ?)", [_sweep_row(sweep)])
        self._write(
            "INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?)",
            [(sweep.id, key, position, json_text(choice)) for key, position, choice in members],
        )

    def known(self, keys: Sequence[str]) -> dict[str, Outcome]:
        """The finished points among the keys."""
        found = {}
        for begin in range(0, len(keys), 500):
            part = keys[begin : begin + 500]
            marks = ", ".join("?" * len(part))
            rows = self._read(f"{_SELECT} FROM points p WHERE p.key IN ({marks})", part)
            outcomes = (_outcome(row) for row in rows)
            found.update({o.key: o for o in outcomes if o.status in FINISHED})
        return found

    def counts(self) -> dict[str, int]:
        """Points by status."""
        found = dict(self._read("SELECT status, COUNT(*) FROM points GROUP BY status", ()))
        return {status: int(found.get(status, 0)) for status in STATUSES}

    def sweeps(self) -> list[SweepRecord]:
        """Sweeps that used the store, in the order in which they began."""
        rows = self._read("SELECT id, name, description FROM sweeps ORDER BY started_at, id", ())
        return [SweepRecord(row[0], row[1], json.loads(row[2])) for row in rows]

    def members(self, sweep: str) -> list[Member]:
        """Points of a sweep by position."""
        rows = self._read(
            f"{_SELECT}, m.position, m.choice FROM members m LEFT JOIN points p ON p.key = m.key "
            "WHERE m.sweep = ? ORDER BY m.position, m.key",
            (sweep,),
        )
        return [
            Member(sweep, row[7], _choice(row[8]), _outcome(row) if row[0] else None)
            for row in rows
        ]

    def announced(self, sweep: str) -> int:
        """How many points a sweep has as far as it said so; 0 where it did not."""
        rows = self._read("SELECT value FROM meta WHERE name = ?", (_POINTS + sweep,))
        return int(rows[0][0]) if rows else 0

    def prune(self, code: str) -> int:
        """Drop failed points and those of other code; returns how many, and shrinks the file."""
        rows = self._read(
            "SELECT COUNT(*) FROM points WHERE code != ? OR status = 'failed'", (code,)
        )
        self._write("DELETE FROM points WHERE code != ? OR status = 'failed'", [(code,)])
        self._write("DELETE FROM members WHERE key NOT IN (SELECT key FROM points)", [()])
        self._write("DELETE FROM sweeps WHERE id NOT IN (SELECT sweep FROM members)", [()])
        self._write(
            "DELETE FROM meta WHERE name LIKE ? || '%' AND substr(name, length(?) + 1) NOT IN "
            "(SELECT id FROM sweeps)", [(_POINTS, _POINTS)],
        )  # fmt: skip
        with self._errors():
            self._base.execute("VACUUM")
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(rows[0][0])

    def sound(self) -> bool:
        """Whether SQLite finds the whole file intact."""
        return bool(self._read("PRAGMA integrity_check", ())[0][0] == "ok")

    # file ------------------------------------------------------------------------------------

    def _check_file(self, path: Path, create: bool) -> None:
        if not path.exists() and not create:
            raise InputError(f"{path}: no such store; edgesim sweep SPACE.yaml --store F makes one")
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise InputError(f"{path}: a store is a file in a folder that exists")

    def _open(self, create: bool) -> None:
        """Check what the file is; only `create` writes."""
        tables = self._read("SELECT name FROM sqlite_master WHERE type = 'table'", ())
        if ("meta",) in tables:
            self._check_version()
        elif tables or not create:
            words = "an SQLite file of something else" if tables else "empty, no store"
            raise InputError(f"{self.path}: {words}; name another file")
        if not create:
            return
        with self._errors():
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.executescript(
                f"BEGIN IMMEDIATE;{_TABLES}INSERT OR IGNORE INTO meta "
                f"VALUES ('schema_version', '{SCHEMA_VERSION}');COMMIT;"
            )
        self._check_version()

    def _check_version(self) -> None:
        found = self._read("SELECT value FROM meta WHERE name = 'schema_version'", ())
        version = found[0][0] if found else "unknown"
        if version != str(SCHEMA_VERSION):
            raise InputError(
                f"{self.path}: a store of schema {version}, this edgesim reads {SCHEMA_VERSION}; "
                "use the edgesim that wrote it, or another file"
            )

    def _read(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._errors():
            return self._base.execute(query, tuple(values)).fetchall()

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """One transaction over all rows."""
        with self._errors():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                self._base.executemany(statement, rows)
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(f"{self.path}: {_advice(error)}") from None


_SELECT = "SELECT p.key, p.status, p.reason, p.figures, p.inputs, p.code, p.seconds"


def _is_read_only(path: Path) -> bool:
    """Whether a store lies where nothing can be written, so that it is read without a lock.

    Raises InputError where a write-ahead log beside it holds points that must be merged first.
    """
    if os.access(path.absolute().parent, os.W_OK):
        return False
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        raise InputError(
            f"{path}: its last points are in {log.name}, which cannot be merged on a read-only "
            "medium; copy both files to a folder that can be written"
        )
    return True


def _sweep_row(sweep: SweepRecord) -> tuple[str, str, str, float]:
    return sweep.id, sweep.name, _text(sweep.description), time.time()


def _outcome(row: Sequence[Any]) -> Outcome:
    figures, inputs = json.loads(row[3]), json.loads(row[4])
    return Outcome(row[0], row[1], row[2], figures, inputs, row[5], row[6])


def _choice(text: str) -> dict[str, Any]:
    return with_number(json.loads(text), "exit_threshold")


def _text(content: Mapping[str, Any]) -> str:
    return json_text(content, sort_keys=True)


def _advice(error: sqlite3.Error) -> str:
    words = str(error)
    if "full" in words:
        return "the disk is full; free some room and run again, finished points are kept"
    if "I/O error" in words:
        return (
            f"the medium refuses ({words}): full, at a file-size limit or failing; make room and "
            "run again, finished points are kept"
        )
    if "readonly" in words or "read-only" in words or "unable to open" in words:
        return f"cannot be written here ({words}); check its rights, or copy it to another folder"
    if "not a database" in words or "malformed" in words:
        return f"not a store ({words}); name another file"
    if "locked" in words:
        return (
            f"another process held the store for {BUSY_SECONDS:.0f} s; run again, nothing is lost"
        )
    return f"the store cannot be used ({words}); check the path and its rights"
