"""The command report: one HTML file of a sweep or of runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgesim.errors import InputError

SQLITE = b"SQLite format 3\0"


def add_report(commands: Any) -> None:
    parser = commands.add_parser(
        "report", help="one HTML file of a sweep or of runs, readable without network"
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="STORE|RESULT.json",
        help="a store of `sweep`, or files of `run --json` (the last is the baseline)",
    )  # fmt: skip
    parser.add_argument("-o", "--output", default="report.html", metavar="F.html")
    parser.add_argument("--title", metavar="TEXT")
    parser.add_argument("--minimize", nargs="+", metavar="FIGURE", help="of a store's front")
    parser.add_argument("--maximize", nargs="+", metavar="FIGURE", help="of a store's front")
    parser.add_argument("--sweep", metavar="NAME", help="only this sweep of the store")
    parser.set_defaults(run=_report)


def _report(chosen: argparse.Namespace) -> None:
    from edgesim.whole_file import check_folder, whole_file

    output = Path(chosen.output)
    if output.suffix != ".html":
        raise InputError(f"{output}: a report is an .html file")
    check_folder(output)
    inputs = [Path(name) for name in chosen.inputs]
    stores = [path for path in inputs if _is_store(path)]
    if stores and len(inputs) > 1:
        raise InputError(f"{stores[0]}: a report is of one store, or of RESULT.json files")
    page = _of_store(chosen, stores[0]) if stores else _of_results(chosen, inputs)
    with whole_file(output) as partial:
        partial.write_text(page, encoding="utf-8")
    print(f"report: {output}, {len(page.encode()) / 1e6:.1f} MB")


def _of_store(chosen: argparse.Namespace, path: Path) -> str:
    from edgesim.sweeps.outcome import stored_result
    from edgesim.sweeps.page import default_objectives, sweep_page

    result = stored_result(path, chosen.sweep)
    minimize, maximize = chosen.minimize or (), chosen.maximize or ()
    if not minimize and not maximize:
        minimize, maximize = default_objectives(result)
    title = chosen.title or f"Sweep {chosen.sweep or path.stem}"
    return sweep_page(result, minimize, maximize, title)


def _of_results(chosen: argparse.Namespace, paths: list[Path]) -> str:
    from edgesim.ir.result import SimResult
    from edgesim.report.run_page import run_page

    for option in ("minimize", "maximize", "sweep"):
        if getattr(chosen, option):
            raise InputError(f"--{option} is for a store; {paths[0]} is none")
    results = [SimResult.load(path) for path in paths]
    title = chosen.title or " against ".join(dict.fromkeys(result.chip for result in results))
    return run_page(results, title)


def _is_store(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(SQLITE)) == SQLITE
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; name a store or the JSON of a run") from None
