"""The command that compares ways to train off-ramps."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from edgesim.cli.output import json_option, say, write_json


def add_exits(commands: Any) -> None:
    parser = commands.add_parser(
        "exits", help="off-ramps trained jointly with the encoder against two-stage"
    )
    parser.add_argument(
        "model", nargs="?", default="minilm-sst2-ee",
        help="a zoo folder or name of a shipped model, for its recipe",
    )  # fmt: skip
    parser.add_argument("--data", metavar="DIR", required=True, help="DIR/TASK/{train,dev}.tsv")
    parser.add_argument(
        "--weights", metavar="FILE", help="a stage of the recipe: itself, and fresh ramps on it"
    )
    parser.add_argument("--steps", type=int, default=600, metavar="N", help="of the encoder")
    parser.add_argument("--ramp-steps", type=int, default=300, metavar="N", help="of ramps alone")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="rows of a step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base", metavar="DIR", help="folder of the recipe's base model")
    parser.add_argument(
        "--work", metavar="DIR", help="keep finished trainings and checkpoints there; resumes"
    )
    json_option(parser)
    parser.set_defaults(run=_exits)


def _exits(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.exit_training import exit_study
    from edgesim.report.exit_training import exit_study_text

    study = exit_study(
        chosen.model, Path(chosen.data),
        weights_file=Path(chosen.weights) if chosen.weights else None,
        num_steps=chosen.steps, num_ramp_steps=chosen.ramp_steps, batch_size=chosen.batch,
        seed=chosen.seed, base_dir=Path(chosen.base) if chosen.base else None,
        work_dir=Path(chosen.work) if chosen.work else None,
    )  # fmt: skip
    say(chosen, exit_study_text(study))
    write_json(chosen, study.to_json(_command(chosen)))


def _command(chosen: argparse.Namespace) -> str:
    """The command that makes the study again; folders of this machine stand as WORK and DIR."""
    words = ["edgesim", "exits", chosen.model, "--data", "DIR"]
    if chosen.weights:
        words += ["--weights", f"WORK/{Path(chosen.weights).name}"]
    for name in ("steps", "ramp_steps", "batch", "seed"):
        words += [f"--{name.replace('_', '-')}", str(getattr(chosen, name))]
    return shlex.join(words)
