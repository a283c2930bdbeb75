"""The commands over the chip's arithmetic: calibrate, numerics."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgesim.cli.output import check_output, json_option, say, write_json
from edgesim.cli.request import MODEL_HELP, asked_chip


def add_calibrate(commands: Any) -> None:
    parser = commands.add_parser(
        "calibrate", help="measure a model's activations over text, for the chip's arithmetic"
    )
    parser.add_argument("model", help=MODEL_HELP)
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--sentences", metavar="FILE.tsv", help="not a test set")
    text.add_argument(
        "--data", metavar="DIR",
        help="take a zoo model's selection slice, out of DIR/TASK/train.tsv",
    )  # fmt: skip
    parser.add_argument(
        "-o",
        "--output",
        metavar="F.json",
        help="default: activation_statistics.json beside the model",
    )
    parser.add_argument(
        "--zeros-on", metavar="NAME|FILE.yaml",
        help="also count zeros and null vectors of activations, in the arithmetic of this chip",
    )  # fmt: skip
    parser.add_argument("--origin", metavar="TEXT", help="what the sentences are, for reports")
    json_option(parser)
    parser.set_defaults(run=_calibrate)


def _calibrate(chosen: argparse.Namespace) -> None:
    from edgesim.ir.activation_statistics import FILE_NAME
    from edgesim.pipeline.calibrate import calibrate_model, calibrate_selection
    from edgesim.pipeline.models import open_model

    check_output(chosen.output)
    chip = asked_chip(chosen.zeros_on, []) if chosen.zeros_on else None
    source = open_model(chosen.model)
    path = Path(chosen.output) if chosen.output else source.path / FILE_NAME
    if chosen.data:
        found = calibrate_selection(source, Path(chosen.data), chip, chosen.origin)
    else:
        found = calibrate_model(source, Path(chosen.sentences), chip, chosen.origin)
    found.save(path)
    say(chosen, f"{path}: {len(found.tensors)} activations over {found.origin}")
    write_json(chosen, {"file": str(path), "origin": found.origin, "zeros": found.zeros_origin})


def add_numerics(commands: Any) -> None:
    parser = commands.add_parser(
        "numerics", help="what the chip's arithmetic and the released defects do to a model"
    )
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument(
        "--sentences", metavar="FILE.tsv", help="labelled; default: the model's own demo sentences"
    )
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    parser.add_argument(
        "--exit-threshold", type=float, metavar="H",
        help="nats (default: the model's own for a loss of 1 point)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", metavar="F.json", help="ranges of activations: edgesim calibrate"
    )
    json_option(parser)
    parser.set_defaults(run=_numerics)


def _numerics(chosen: argparse.Namespace) -> None:
    from edgesim.ir.exits import EntropyExit
    from edgesim.pipeline.numerics import study_model
    from edgesim.report.numerics import numerics_text

    if chosen.exit_threshold is not None:
        EntropyExit(chosen.exit_threshold)
    study = study_model(
        chosen.model, asked_chip(chosen.chip, chosen.settings),
        sentences=Path(chosen.sentences) if chosen.sentences else None,
        threshold=chosen.exit_threshold,
        calibration=Path(chosen.calibration) if chosen.calibration else None,
    )  # fmt: skip
    say(chosen, numerics_text(study))
    write_json(chosen, study.to_json())
