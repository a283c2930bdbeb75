"""The command over number formats."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from edgesim.cli.output import check_output, json_option, say, write_json


def add_formats(commands: Any) -> None:
    parser = commands.add_parser(
        "formats", help="rounding error and accuracy of weights by number format and width"
    )
    parser.add_argument(
        "model", nargs="?", default="minilm-sst2-ee",
        help="a zoo folder or name of a shipped model; or a safetensors file, for errors alone",
    )  # fmt: skip
    parser.add_argument(
        "--weights", metavar="FILE",
        help="take the weights of a training stage, such as build/compress/NAME/dense.safetensors",
    )  # fmt: skip
    parser.add_argument("--data", metavar="DIR", help="measure accuracy on DIR/TASK/dev.tsv")
    parser.add_argument("--widths", nargs="+", type=int, default=[4, 5, 6, 7, 8], metavar="BITS")
    parser.add_argument(
        "--every-parameter", action="store_true", help="round biases and layer norms too"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write formats.json, formats.csv and pictures"
    )
    json_option(parser)
    parser.set_defaults(run=_formats)


def _formats(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.formats import format_study, write_format_study
    from edgesim.report.formats import format_text

    check_output(chosen.output)
    study = format_study(
        chosen.model, weights_file=Path(chosen.weights) if chosen.weights else None,
        data_dir=Path(chosen.data) if chosen.data else None, widths=tuple(chosen.widths),
        every_parameter=chosen.every_parameter,
    )  # fmt: skip
    say(chosen, format_text(study))
    command = _command(chosen)
    if chosen.output:
        names = write_format_study(study, Path(chosen.output), command)
        say(chosen, f"\n{chosen.output}: {', '.join(names)}")
    write_json(chosen, study.to_json(command))


def _command(chosen: argparse.Namespace) -> str:
    """The command that makes the study again; folders of this machine stand as DIR."""
    words = ["edgesim", "formats", chosen.model]
    if chosen.weights:
        words += ["--weights", f"WORK/{Path(chosen.weights).name}"]
    if chosen.data:
        words += ["--data", "DIR"]
    words += ["--widths", *map(str, chosen.widths)]
    if chosen.every_parameter:
        words.append("--every-parameter")
    return shlex.join(words)
