"""The command that holds the simulator against published and executed figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgesim.cli.output import json_option, say, write_json
from edgesim.errors import InputError


def add_validate(commands: Any) -> None:
    parser = commands.add_parser(
        "validate", help="the simulator against every published, executed or derived figure"
    )
    parser.add_argument(
        "--entropies", metavar="DIR", help="folder with the EdgeBERT authors' dataset_sst2_eval.txt"
    )
    parser.add_argument("--all", action="store_true", help="every row on a line of its own")
    parser.add_argument(
        "--silicon", action="store_true",
        help="the 12 nm test chip alone: the fit made anew, where its cycles go, its rows",
    )  # fmt: skip
    json_option(parser)
    parser.set_defaults(run=_validate)


def _validate(chosen: argparse.Namespace) -> int:
    from edgesim.validation.comparison import validate
    from edgesim.validation.text import comparison_text

    folder = Path(chosen.entropies) if chosen.entropies else None
    if folder is not None and not folder.is_dir():
        raise InputError(f"--entropies {folder}: no such folder")
    if chosen.silicon:
        return _silicon(chosen, folder)
    comparison = validate(folder)
    say(chosen, comparison_text(comparison, chosen.all))
    write_json(chosen, comparison.to_json())
    return 0 if comparison.holds else 1


def _silicon(chosen: argparse.Namespace, folder: Path | None) -> int:
    from edgesim.validation.bench import Bench
    from edgesim.validation.entropies import authors_workload
    from edgesim.validation.silicon_text import silicon_figures, silicon_text

    if chosen.all:
        raise InputError("--silicon has rows of its own; leave --all out")
    bench = Bench(None if folder is None else authors_workload(folder))
    say(chosen, silicon_text(bench))
    write_json(chosen, silicon_figures(bench))
    return 0
