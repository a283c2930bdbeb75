"""The command that shows how the work grows with the length of a sentence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgesim.cli.output import check_output, json_option, say, write_json
from edgesim.cli.request import MODEL_HELP, asked_chip
from edgesim.errors import InputError


def add_scale(commands: Any) -> None:
    parser = commands.add_parser(
        "scale", help="16 to 512 tokens: which layers wait for memory, which for compute"
    )
    parser.add_argument("target", metavar="TRACE|MODEL", help=f"a trace file, {MODEL_HELP}")
    parser.add_argument("--chip", default="edgebert-n16", metavar="NAME|FILE.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", dest="settings")
    parser.add_argument(
        "--lengths", type=int, nargs="+", metavar="N",
        help="tokens; default 16 32 64 128 256 512 as far as the model allows",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="F.png", help="picture of the mean layer")
    json_option(parser)
    parser.set_defaults(run=_scale)


def _scale(chosen: argparse.Namespace) -> None:
    from edgesim.pipeline.models import open_trace
    from edgesim.pipeline.scale import LENGTHS, scale_of_work
    from edgesim.report.scale import scale_text

    picture = Path(chosen.output) if chosen.output else None
    if picture is not None and picture.suffix != ".png":
        raise InputError(f"-o {picture}: a picture ends in .png")
    check_output(chosen.output)
    trace, _ = open_trace(chosen.target)
    lengths = chosen.lengths or [n for n in LENGTHS if n <= trace.max_tokens]
    scale = scale_of_work(trace, asked_chip(chosen.chip, chosen.settings), lengths)
    say(chosen, scale_text(scale))
    if picture is not None:
        from edgesim.plot.scale import plot_layer_scale

        plot_layer_scale(scale).figure.get_figure(root=True).savefig(picture)
        say(chosen, f"\n{picture}")
    write_json(chosen, scale.to_json())
