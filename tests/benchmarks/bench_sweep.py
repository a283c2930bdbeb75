"""How fast a design space is swept: points a second, workers, the store, memory, ten thousand.

Part of `make bench`. Each row is a process of its own that sweeps ALBERT-base, padded to 128
tokens as published, over 872 sentences into a new store: array sizes, buffers and media vary, so
that every point is another chip and none repeats. Kernels are compiled before. Two rates are told:
of the whole sweep, with the start of the workers, and of its last nine tenths, with workers at work
and their kernels loaded. `--entropies DIR` takes the exits of the EdgeBERT authors' recording
(`dataset_sst2_eval.txt`); without it every one of the 12 depths occurs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import Row, find_byte_code, machine_text, table_text
from toy_traces import ALBERT_BASE, bert_like

import edgesim as es
from edgesim.ir.workload import Workload
from edgesim.sweeps import driver
from edgesim.sweeps.store import Store
from edgesim.validation.entropies import authors_workload

SENTENCES = 872
THRESHOLD = 0.3
SEED = 0
SAMPLE_S = 0.5
"""Between two looks at memory, each of which reads all of /proc on the cores that are timed."""
WARM_AFTER = 0.1
"""Share of a sweep's points behind which its workers have started and loaded their kernels."""
REPEATS = 5
"""Pairs of sweeps of 1,000 points by one worker and by two, side by side; the median counts."""
VECTOR_SIZES = (2, 4, 8, 16, 32)
BUFFER_KIB = (96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
AUXILIARY_KIB = (16, 32, 64, 128, 256)
EMBEDDING_MEDIA = ("reram_slc", "reram_mlc2", "reram_mlc3", "sram", "lpddr4")
ENCODER_MEDIA = ("lpddr4", "sram")
CAPACITY_MIB = (1, 2, 4, 8)
SIZES = {100: (1, 1, 1), 1000: (5, 2, 1), 10_000: (10, 5, 2)}
"""How many operand buffers, auxiliary memories and encoder media each number of points takes."""


@dataclass(frozen=True)
class Sweep:
    """What one sweep in a process of its own took."""

    points: int
    seconds: float
    store_seconds: float
    """Within the store's own calls."""
    peak_mb: float | None
    """Largest sum of resident memory over the process and its workers; None off Linux."""
    feasible: int
    warm_rate: float
    """Points a second from WARM_AFTER to the end."""


def space(points: int) -> dict[str, Any]:
    """Axes over array sizes, buffers and media with exactly that many points."""
    buffers, auxiliaries, encoders = SIZES[points]
    return {
        "name": f"{points} points",
        "axes": {
            "pu.vector_size": list(VECTOR_SIZES),
            "operands": [_operands(kib) for kib in BUFFER_KIB[-buffers:]],
            "buffers.auxiliary": [f"{kib} KiB" for kib in AUXILIARY_KIB[:auxiliaries]],
            "placement.encoder_weight": [_media(medium) for medium in ENCODER_MEDIA[:encoders]],
            "placement.embedding_weight": [_media(medium) for medium in EMBEDDING_MEDIA],
            "capacity": [_capacity(mib) for mib in CAPACITY_MIB],
        },
        "settings": {
            "exit_threshold": THRESHOLD, "pad_to": 128, "storage.sram.port": "64 bit",
            "storage.sram.on_chip": True,
        },
    }  # fmt: skip


def _operands(kib: int) -> dict[str, str]:
    memories = ("operand0", "operand1")
    return {f"buffers.{m}.data": f"{kib} KiB" for m in memories} | {
        f"buffers.{m}.mask": f"{kib // 8} KiB" for m in memories
    }


def _media(medium: str) -> list[str]:
    return list(dict.fromkeys((medium, "lpddr4")))


def _capacity(mib: int) -> dict[str, str]:
    return {"storage.reram.capacity": f"{mib} MiB", "storage.sram.capacity": f"{mib} MiB"}


def sentences(entropies: Path | None) -> Workload:
    """872 sentences: the authors' recording, or entropies that leave at every depth."""
    if entropies is not None:
        return authors_workload(entropies)
    random = np.random.default_rng(SEED)
    layers = ALBERT_BASE.layers
    falling = np.sort(random.random((SENTENCES, layers)) * np.log(2), axis=1)[:, ::-1]
    logits = random.normal(size=(SENTENCES, layers, 2)).astype(np.float32)
    return Workload(
        "drawn", random.integers(5, 60, SENTENCES), falling.copy(), logits,
        random.integers(0, 2, SENTENCES),
    )  # fmt: skip


def sweep_here(points: int, workers: int, store: Path, entropies: Path | None) -> None:
    """Sweep in this process and print what it took."""
    trace, workload = bert_like(replace(ALBERT_BASE, density=0.5)), sentences(entropies)
    spent = [0.0]
    driver.Store = _timed_store(spent)  # type: ignore[misc]
    begin = time.perf_counter()
    result = es.sweep(space(points), trace, workload=workload, store=store, workers=workers)
    seconds = time.perf_counter() - begin
    record = {
        "seconds": seconds, "store_s": spent[0], "feasible": result.counts["feasible"],
        "warm_rate": _warm_rate(store),
    }  # fmt: skip
    print(json.dumps(record), flush=True)


def _warm_rate(store: Path) -> float:
    """Points a second in the last part of a sweep, by the times at which they were stored."""
    with contextlib.closing(sqlite3.connect(store)) as base:
        rows = base.execute("SELECT finished_at FROM points ORDER BY finished_at").fetchall()
    times = np.array(rows)[:, 0]
    first = times[int(WARM_AFTER * len(times))]
    return float(np.sum(times > first) / (times[-1] - first))


def _timed_store(spent: list[float]) -> type[Store]:
    """A Store that adds the seconds of its own calls to `spent`."""

    class TimedStore(Store):
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if name not in ("put", "enter", "known"):
                return found

            def timed(*values: Any) -> Any:
                begin = time.perf_counter()
                try:
                    return found(*values)
                finally:
                    spent[0] += time.perf_counter() - begin

            return timed

    return TimedStore


# measurement -------------------------------------------------------------------------------------


def swept(points: int, workers: int, entropies: Path | None) -> Sweep:
    """What a sweep took in a process of its own, with a new store."""
    given = [] if entropies is None else ["--entropies", str(entropies.resolve())]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, str(Path(__file__).resolve()), "--points", str(points), "--workers",
            str(workers), "--store", str(Path(folder) / "sweep.db"), *given,
        ]  # fmt: skip
        with (Path(folder) / "out.txt").open("w+") as out:
            process = subprocess.Popen(command, stdout=out)
            peak_mb: float | None = None
            while process.poll() is None:
                peak_mb = max(peak_mb or 0.0, tree_mb(process.pid)) or None
                time.sleep(SAMPLE_S)
            out.seek(0)
            lines = out.read().splitlines()
    if process.returncode != 0 or not lines:
        raise SystemExit(f"the sweep of {points} points failed with status {process.returncode}")
    record = json.loads(lines[-1])
    return Sweep(
        points, record["seconds"], record["store_s"], peak_mb, record["feasible"],
        record["warm_rate"],
    )  # fmt: skip


def tree_mb(root: int) -> float:
    """Resident memory of a process and its descendants in MB, shared pages counted in each."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for pid, parent, resident in _processes():
        parents[pid], pages[pid] = parent, resident

    def descends(pid: int) -> bool:
        while pid != root and pid in parents:
            pid = parents[pid]
        return pid == root

    return sum(pages[pid] for pid in pages if descends(pid)) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _processes() -> Iterator[tuple[int, int, int]]:
    """Every process: id, parent's id, resident pages; none where there is no /proc."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(folder.name), int(status[1]), int(status[21])


def sweep_rows(entropies: Path | None, largest: int) -> list[Row]:
    """Rows of sweeps up to the largest number of points."""
    swept(100, 2, entropies)
    hundreds = [swept(100, 2, entropies) for _ in range(REPEATS)]
    pairs = [_pair(turn, entropies) for turn in range(REPEATS)]
    thousand = _median([two for _, two in pairs])
    by_size = {100: _median(hundreds), 1000: thousand} | {
        points: swept(points, 2, entropies) for points in SIZES if 1000 < points <= largest
    }
    rows = [_time_row(found, points) for points, found in by_size.items()]
    store_ms = thousand.store_seconds / thousand.points * 1e3
    warm = median(two.warm_rate for _, two in pairs)
    rows += [
        Row("sweep, two workers, warm: points a second, 1,000 points", warm, "points/s", 200,
            f"{thousand.feasible} feasible", at_least=True),
        Row("  with the start of the workers", 1000 / thousand.seconds, "points/s"),
        Row("  one worker to two, warm", median(t.warm_rate / o.warm_rate for o, t in pairs), "x",
            1.6, f"median of {REPEATS} pairs", at_least=True),
        Row("  one worker to two, with the start of the workers",
            median(o.seconds / t.seconds for o, t in pairs), "x"),
        Row("  within the store", store_ms, "ms/point", 1),
    ]  # fmt: skip
    top = by_size[max(by_size)]
    rows.append(Row(f"  peak memory of {top.points:,} points, workers included", top.peak_mb, "MB",
                    1000))  # fmt: skip
    return rows


def _pair(turn: int, entropies: Path | None) -> tuple[Sweep, Sweep]:
    """Sweeps of 1,000 points by one worker and by two, which comes first in turns."""
    found = {workers: swept(1000, workers, entropies) for workers in ((1, 2), (2, 1))[turn % 2]}
    return found[1], found[2]


def _median(sweeps: list[Sweep]) -> Sweep:
    """The sweep of the median time."""
    return sorted(sweeps, key=lambda sweep: sweep.seconds)[len(sweeps) // 2]


def _time_row(found: Sweep, points: int) -> Row:
    target = 120.0 if points == 10_000 else None
    each = f"{found.seconds / points * 1e3:.2f} ms a point, {found.feasible:,} feasible"
    return Row(f"sweep, two workers: {points:,} points", found.seconds, "s", target, each)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entropies", type=Path, help="folder of the authors' recording")
    parser.add_argument("--largest", type=int, choices=(1000, 10_000), default=10_000)
    parser.add_argument("--points", type=int, choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.points:
        sweep_here(chosen.points, chosen.workers, chosen.store, chosen.entropies)
        return
    find_byte_code()
    print(machine_text("edgesim", "numpy", "numba", "simpy") + "\n")
    rows = sweep_rows(chosen.entropies, chosen.largest)
    print(table_text(("what", "figure", "target", "verdict"), [row.cells() for row in rows]))


if __name__ == "__main__":
    main()
