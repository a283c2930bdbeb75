"""The command that shows what each technique of a recipe gives."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgesim.cli.output import json_option, say, write_json
from edgesim.cli.request import asked_chip, latency_target, speed_options
from edgesim.errors import InputError


def add_ablate(commands: Any) -> None:
    parser = commands.add_parser(
        "ablate", help="what each technique of a recipe gives, from dense to the full model"
    )
    parser.add_argument("model", help="a zoo folder or name")
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    parser.add_argument("--exit-threshold", type=float, metavar="H", help="nats; default: for 1 pt")
    speed_options(parser)
    parser.add_argument("--work", metavar="DIR", help="make the rows anew from this training chain")
    parser.add_argument("--data", metavar="DIR", help="with --work: TASK/train.tsv and dev.tsv")
    parser.add_argument("--base", metavar="DIR", help="with --work: folder of the base")
    json_option(parser)
    parser.set_defaults(run=_ablate)


def _ablate(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.ablation import FULL_DEPTH_TIME, ablate, build_ablation
    from edgesim.pipeline.models import find_model
    from edgesim.report.ablation import ablation_text

    if (chosen.work is None) != (chosen.data is None):
        raise InputError("ablate: --work DIR and --data DIR belong together")
    chip = asked_chip(chosen.chip, chosen.settings)
    if chosen.work is not None:
        base = Path(chosen.base) if chosen.base else None
        folder = find_model(chosen.model).path
        build_ablation(folder, Path(chosen.data), Path(chosen.work), base)
    target = latency_target(chosen) or FULL_DEPTH_TIME
    table = ablate(chosen.model, chip, chosen.exit_threshold, target)
    say(chosen, ablation_text(table))
    write_json(chosen, table.to_json())
