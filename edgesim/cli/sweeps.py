"""The commands of design-space exploration: sweep, pareto, store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgesim.errors import InputError

if TYPE_CHECKING:
    from edgesim.sweeps.outcome import SweepResult

MOST_REASONS = 5


def add_sweep(commands: Any) -> None:
    parser = commands.add_parser("sweep", help="evaluate every point of a design space")
    parser.add_argument("space", metavar="SPACE.yaml")
    parser.add_argument("--store", metavar="F", help="keep points here; run again to resume")
    parser.add_argument("--executor", choices=("process", "serial"), default="process")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default one per core")
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler of a dask.distributed cluster")
    parser.add_argument("-o", "--output", metavar="F", help="write the table as .csv or .parquet")
    parser.set_defaults(run=_sweep)


def add_pareto(commands: Any) -> None:
    parser = commands.add_parser("pareto", help="non-dominated points of a store")
    parser.add_argument("store", metavar="STORE")
    parser.add_argument("--minimize", nargs="+", default=[], metavar="FIGURE")
    parser.add_argument("--maximize", nargs="+", default=[], metavar="FIGURE")
    parser.add_argument("--sweep", metavar="NAME", help="only this sweep of the store")
    parser.add_argument("-o", "--output", metavar="F", help="picture (.png), or table (.csv)")
    parser.set_defaults(run=_pareto)


def add_store(commands: Any) -> None:
    parser = commands.add_parser("store", help="show, export or prune a store of points")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="how many points are finished, and of which sweeps")
    export = actions.add_parser("export", help="all points as a table")
    prune = actions.add_parser("prune", help="drop failed points and those of other code")
    for action in (show, export, prune):
        action.add_argument("store", metavar="F")
    export.add_argument("-o", "--output", required=True, metavar="F", help=".csv or .parquet")
    export.add_argument("--sweep", metavar="NAME", help="only this sweep of the store")
    show.set_defaults(run=_show)
    export.set_defaults(run=_export)
    prune.set_defaults(run=_prune)


def _sweep(chosen: argparse.Namespace) -> None:
    from edgesim.sweeps.driver import sweep
    from edgesim.sweeps.outcome import check_table_path

    output = None if chosen.output is None else Path(chosen.output)
    if output is None and chosen.store is None:
        raise InputError("sweep: name --store F to keep the points, or -o F to write their table")
    if output is not None:
        check_table_path(output)
    result = sweep(
        chosen.space, store=chosen.store, executor=chosen.executor, workers=chosen.workers,
        dask=chosen.dask,
    )  # fmt: skip
    print(counts_text(result))
    if output is not None:
        result.export(output)
        print(f"table: {output}")
    if chosen.store:
        print(f"store: {chosen.store}")
        print(f"next: edgesim pareto {chosen.store} --minimize energy_j latency_s -o front.png")


def counts_text(result: SweepResult) -> str:
    """Points by status, and the most frequent reasons why points have no figures."""
    counts = result.counts
    lines = [", ".join(f"{number} {name}" for name, number in counts.items() if number)]
    frame = result.frame
    reasons = frame.loc[frame["status"].isin(("infeasible", "failed")), "reason"].value_counts()
    lines += [f"{number:>7} × {reason}" for reason, number in reasons.head(MOST_REASONS).items()]
    if len(reasons) > MOST_REASONS:
        lines.append(f"        and {len(reasons) - MOST_REASONS} more reasons; see store export")
    return "\n".join(lines)


def _pareto(chosen: argparse.Namespace) -> None:
    from edgesim.plot.front import check_picture
    from edgesim.sweeps.outcome import TABLES, check_table_path, export_frame, stored_result

    path = None if chosen.output is None else Path(chosen.output)
    if path is not None and path.suffix in TABLES:
        check_table_path(path)
    elif path is not None:
        check_picture(path, [*chosen.minimize, *chosen.maximize])
    front = stored_result(chosen.store, chosen.sweep).pareto(chosen.minimize, chosen.maximize)
    print(front.to_text())
    if path is None:
        return
    if path.suffix in TABLES:
        export_frame(front.members, path)
    else:
        front.save_picture(path)
    print(f"front: {path}")


def _show(chosen: argparse.Namespace) -> None:
    from edgesim.sweeps.outcome import result_of
    from edgesim.sweeps.store import FINISHED, Store

    with Store(chosen.store, create=False) as store:
        counts = store.counts()
        finished = sum(counts[name] for name in FINISHED)
        print(f"{finished} points finished, {counts['failed']} failed")
        for sweep in store.sweeps():
            print(f"{sweep.name}: {counts_text(result_of(store, [sweep]))}")


def _export(chosen: argparse.Namespace) -> None:
    from edgesim.sweeps.outcome import MISSING, check_table_path, export_frame, stored_result

    check_table_path(Path(chosen.output))
    result = stored_result(chosen.store, chosen.sweep)
    found = result.frame[result.frame["status"] != MISSING]
    export_frame(found, Path(chosen.output))
    missing = result.counts[MISSING]
    rest = f", {missing} more are not computed yet" if missing else ""
    print(f"{chosen.output}: {len(found)} points{rest}")


def _prune(chosen: argparse.Namespace) -> None:
    from edgesim.sweeps.code_version import code_version
    from edgesim.sweeps.store import Store

    with Store(chosen.store, create=False) as store:
        dropped = store.prune(code_version())
        kept = sum(store.counts().values())
    print(f"{dropped} points dropped (failed, or of other code), {kept} kept")
