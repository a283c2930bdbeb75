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
    json_option(parser)
    parser.set_defaults(run=_validate)


def _validate(chosen: argparse.Namespace) -> int:
    from edgesim.validation.comparison import validate
    from edgesim.validation.text import comparison_text

    folder = Path(chosen.entropies) if chosen.entropies else None
    if folder is not None and not folder.is_dir():
        raise InputError(f"--entropies {folder}: no such folder")
    comparison = validate(folder)
    say(chosen, comparison_text(comparison, chosen.all))
    write_json(chosen, comparison.to_json())
    return 0 if comparison.holds else 1
