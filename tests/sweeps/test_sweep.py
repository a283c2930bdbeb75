"""Sweeps end to end: executors, resuming, infeasible rows, dying workers, searches."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import edgesim as es
from edgesim.errors import InputError
from edgesim.hw.loader import load_chip
from edgesim.ir.optrace import OpTrace
from edgesim.ir.request import RunRequest
from edgesim.ir.workload import Workload
from edgesim.sweeps import runner, shares
from edgesim.sweeps.driver import SweepInterrupted
from edgesim.sweeps.job import Source, Verdict, evaluate_points
from edgesim.sweeps.outcome import stored_result
from edgesim.sweeps.pools import SerialExecutor, open_pool
from edgesim.sweeps.runner import OpenPoint, Runner

MODULES = "sorted({name.partition('.')[0] for name in __import__('sys').modules})"
"""Evaluated by a worker: the top-level modules of its process."""

AXES: dict[str, Any] = {
    "pu.vector_size": [8, 16],
    "placement.embedding_weight": [["reram_slc", "lpddr4"], ["reram_mlc2"]],
    "storage.reram.capacity": ["2 KiB", "2 MiB"],
    "exit_threshold": [None, 0.4],
}


def space(**changes: Any) -> es.Space:
    return es.Space(**{"axes": AXES, **changes})


@pytest.fixture(scope="module")
def expected(trace: OpTrace, workload: Workload) -> str:
    return table(es.sweep(space(), trace, workload=workload, executor="serial"))


def table(result: Any) -> str:
    text: str = result.frame.drop(columns="seconds").to_csv(index=False)
    return text


def test_points_that_do_not_fit_are_rows_with_reasons(trace: OpTrace, workload: Workload) -> None:
    result = es.sweep(space(), trace, workload=workload, executor="serial")
    assert result.counts == {"feasible": 12, "infeasible": 4, "failed": 0, "missing": 0}
    bad = result.frame[result.frame["status"] == "infeasible"]
    assert set(bad["storage.reram.capacity"]) == {"2 KiB"}
    assert set(bad["placement.embedding_weight"]) == {"reram_mlc2"}
    assert bad["reason"].str.contains("change storage.reram.capacity").all()
    assert bad["energy_j"].isna().all()


def test_every_row_is_what_simulate_gives(trace: OpTrace, workload: Workload) -> None:
    result = es.sweep(space(), trace, workload=workload, executor="serial")
    chip = load_chip("edgebert-n16", {
        "pu.vector_size": 8, "placement.embedding_weight": ["reram_slc", "lpddr4"],
    })  # fmt: skip
    row = result.frame[
        (result.frame["pu.vector_size"] == 8)
        & (result.frame["placement.embedding_weight"] == "reram_slc, lpddr4")
        & (result.frame["storage.reram.capacity"] == "2 MiB")
        & (result.frame["exit_threshold"] == 0.4)
    ].iloc[0]
    alone = es.simulate(trace, chip, workload=workload, exit_policy=es.EntropyExit(0.4))
    assert row["energy_j"] == alone.energy_j.value
    assert row["latency_s"] == alone.latency_s.value
    assert row["accuracy"] == alone.accuracy


def test_constraints_make_rows_infeasible_without_computing_anew(
    trace: OpTrace, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s.db"
    es.sweep(space(), trace, workload=workload, executor="serial", store=store)
    monkeypatch.setattr(runner, "evaluate_points", None)
    bound = space(constraints=["area_mm2 <= 0.8"])
    result = es.sweep(bound, trace, workload=workload, executor="serial", store=store)
    bad = result.frame[result.frame["reason"].str.startswith("area_mm2 <= 0.8: is ")]
    assert len(bad) > 0
    assert (bad["area_mm2"] > 0.8).all()
    assert (result.frame.loc[result.frame["status"] == "feasible", "area_mm2"] <= 0.8).all()


def test_a_second_sweep_computes_only_what_is_new(
    trace: OpTrace, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def counted(source: Source, points: Any) -> list[Verdict]:
        computed.append(len(points))
        return evaluate_points(source, points)

    monkeypatch.setattr(runner, "evaluate_points", counted)
    for thresholds, new in (([None, 0.4], 16), ([None, 0.4], 0), ([None, 0.4, 0.1], 8)):
        computed.clear()
        axes = {**AXES, "exit_threshold": thresholds}
        es.sweep(es.Space(axes), trace, workload=workload, executor="serial",
                 store=tmp_path / "s.db")  # fmt: skip
        assert sum(computed) == new


def test_processes_and_threads_give_the_table_of_one_process(
    trace: OpTrace, workload: Workload, expected: str
) -> None:
    assert table(es.sweep(space(), trace, workload=workload, workers=2)) == expected
    with ThreadPoolExecutor(2) as threads:
        assert table(es.sweep(space(), trace, workload=workload, executor=threads)) == expected


def test_two_worker_processes_of_a_dask_cluster_give_the_same_table(
    trace: OpTrace, workload: Workload, expected: str
) -> None:
    distributed = pytest.importorskip(
        "distributed", reason="the extra edgesim[dask] is not installed"
    )
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        assert len(set(client.run(os.getpid).values())) == 2
        address = cluster.scheduler_address
        assert table(es.sweep(space(), trace, workload=workload, dask=address)) == expected
        modules = client.run(eval, MODULES)
        assert all("torch" not in found for found in modules.values())


def test_workers_load_no_torch_and_do_not_run_the_script_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "print('script runs')\n"
        "from edgesim.sweeps.pools import open_pool\n"
        "with open_pool('process', 1) as pool:\n"
        f"    found = pool.lanes[0].executor.submit(eval, {MODULES!r}).result()\n"
        "print('torch' in found, 'matplotlib' in found, 'edgesim' in found)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["script runs", "False False True"]


def _deadly(source: Any, points: Any) -> list[Verdict]:
    thresholds = [request.exit_policy.threshold for _, request in points]
    if 0.5 in thresholds:
        os._exit(9)
    return [Verdict("feasible", "", {"energy_j": h}, 0.01) for h in thresholds]


def test_points_of_a_dying_worker_are_retried_and_only_the_guilty_one_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "evaluate_points", _deadly)
    chip, source = load_chip("edgebert-n16"), Source("s")
    thresholds = [number / 10 for number in range(8)]
    points = [OpenPoint(f"{h}", source, chip, RunRequest.of(exit_threshold=h)) for h in thresholds]
    found: dict[str, Verdict] = {}
    with open_pool("process", 1) as pool:
        Runner(
            pool, lambda task, verdicts: found.update(zip(task.keys, verdicts, strict=True))
        ).run(lambda lane: points.pop(0) if points else None)
    assert {key for key, verdict in found.items() if verdict.status == "failed"} == {"0.5"}
    assert found["0.5"].reason == "its worker process died, twice"
    assert len(found) == 8


def test_an_interrupt_says_how_to_resume(
    trace: OpTrace, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def interrupted(source: Source, points: Any) -> list[Verdict]:
        calls.append(points)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate_points(source, points)

    monkeypatch.setattr(runner, "evaluate_points", interrupted)
    with pytest.raises(SweepInterrupted, match=r"2 of 16 points are kept in .*computes the rest"):
        es.sweep(space(), trace, workload=workload, executor="serial", store=tmp_path / "s.db")


def test_nsga2_finds_the_front_of_the_grid_and_repeats_with_its_seed(
    trace: OpTrace, workload: Workload, tmp_path: Path
) -> None:
    pytest.importorskip("optuna", reason="the extra edgesim[sweep] is not installed")
    search = {
        "method": "nsga2", "points": 96, "population": 12, "seed": 1,
        "minimize": ["energy_j", "area_mm2"],
    }  # fmt: skip
    store = tmp_path / "s.db"
    grid = es.sweep(space(), trace, workload=workload, executor="serial", store=store)
    first, second = (
        es.sweep(space(search=search), trace, workload=workload, executor="serial", store=where)
        for where in (store, None)
    )
    assert table(first) == table(second)
    best = grid.pareto(["energy_j", "area_mm2"]).members[["energy_j", "area_mm2"]]
    found = first.pareto(["energy_j", "area_mm2"]).members[["energy_j", "area_mm2"]]
    assert set(map(tuple, best.to_numpy())) == set(map(tuple, found.to_numpy()))


def test_a_space_without_model_or_trace_and_bad_executors_are_refused(
    trace: OpTrace, workload: Workload
) -> None:
    with pytest.raises(InputError, match="names no model and no trace"):
        es.sweep(space())
    with pytest.raises(InputError, match=r"any concurrent\.futures\.Executor"):
        es.sweep(space(), trace, workload=workload, executor="threads")
    with pytest.raises(InputError, match="has 6"):
        es.sweep(space(sentences=7), trace, workload=workload, executor="serial")


def test_a_serial_executor_hands_on_what_a_task_raises() -> None:
    future = SerialExecutor().submit(int, "x")
    assert isinstance(future.exception(), ValueError)


def test_the_first_tasks_hold_one_point_and_later_ones_what_fits_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    def quick(source: Source, points: Any) -> list[Verdict]:
        sizes.append(len(points))
        return [Verdict("feasible", "", {}, 0.01) for _ in points]

    monkeypatch.setattr(runner, "evaluate_points", quick)
    chip, source = load_chip("edgebert-n16"), Source("s")
    points = (OpenPoint(f"{i}", source, chip, RunRequest()) for i in range(100))
    with open_pool("serial") as pool:
        Runner(pool, lambda task, verdicts: None).run(lambda lane: next(points, None))
    assert sizes[:2] == [1, 1]
    assert max(sizes) == round(runner.TASK_SECONDS / 0.01)
    assert sum(sizes) == 100


def test_what_an_interrupted_sweep_has_not_come_to_is_missing(
    trace: OpTrace, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Source, points: Any) -> list[Verdict]:
        raise KeyboardInterrupt

    monkeypatch.setattr(shares, "PLANNED_POINTS", 4)
    store = tmp_path / "s.db"
    with monkeypatch.context() as patch:
        patch.setattr(runner, "evaluate_points", interrupted)
        with pytest.raises(SweepInterrupted):
            es.sweep(space(), trace, workload=workload, executor="serial", store=store)
    counts = stored_result(store).counts
    assert sum(counts.values()) == 16
    assert counts["missing"] > 4
    done = es.sweep(space(), trace, workload=workload, executor="serial", store=store)
    assert stored_result(store).counts == done.counts
    assert done.counts["missing"] == 0
